"""Knows which output of the template is which of the settings that include/base/settings.py reads."""

from __future__ import annotations

from collections.abc import Mapping

# The template writes the same lines into its parameter /listings/<stage>/settings, for the host and for MWAA.
SETTINGS = {
    "LISTINGS_LANDING_BUCKET": "LandingBucketName",
    "LISTINGS_RAW_BUCKET": "RawBucketName",
    "LISTINGS_CLEAN_BUCKET": "CleanBucketName",
    "LISTINGS_COPY_QUEUE_URL": "CopyQueueUrl",
    "LISTINGS_TRANSFORM_QUEUE_URL": "TransformQueueUrl",
    "LISTINGS_COPY_DEAD_LETTER_URL": "CopyDeadLetterQueueUrl",
    "LISTINGS_TRANSFORM_DEAD_LETTER_URL": "TransformDeadLetterQueueUrl",
    "LISTINGS_TRANSFORM_VERSION": "TransformVersion",
}


class OutputError(RuntimeError):
    """The template's outputs are not those that Airflow counts on."""


def settings_of(outputs: Mapping[str, str]) -> dict[str, str]:
    """The LISTINGS_* variables that the outputs give; raises OutputError when one is not among them."""
    missing = [output for output in SETTINGS.values() if output not in outputs]
    if missing:
        raise OutputError(f"infra/template.yaml has no output {', '.join(missing)}")
    return {name: outputs[output] for name, output in SETTINGS.items()}
