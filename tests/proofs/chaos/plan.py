"""What a seed means: which three markets, which process dies, and at which part of the run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random

# Everything that `make chaos` kills. One block of ten seeds has each of them once, in an order of its own.
KINDS = (
    "scheduler",
    "api-server",
    "dag-processor",
    "triggerer",
    "task",
    "ministack",
    "lambda",
    "postgres",
    "redshift",
    "listing-api",
)

# The simulated moment of every run. Whatever a page says in days does not change in the five hours from here on:
# the market's day begins at midnight, and no listing was ever put up between midnight and six.
MOMENT = datetime(2026, 3, 1, 1, tzinfo=UTC)
_SEEDS_PER_SCENE = 5


@dataclass(frozen=True)
class Scene:
    """Three markets of one family, of the same state: a few houses stand in two of them under one zpid."""

    number: int
    source: str
    locations: tuple[str, str, str]
    page_limit: int

    @property
    def markets(self) -> frozenset[str]:
        """The markets as the warehouse names them."""
        return frozenset(location.replace(",", "").replace(" ", "-") for location in self.locations)


SCENES = (
    Scene(0, "zillow56", ("houston, tx", "austin, tx", "dallas, tx"), 3),
    Scene(1, "zillow-com4", ("phoenix, az", "tucson, az", "mesa, az"), 3),
    Scene(2, "zillow56", ("tampa, fl", "miami, fl", "orlando, fl"), 4),
    Scene(3, "zillow-com4", ("fresno, ca", "oakland, ca", "san diego, ca"), 2),
)


@dataclass(frozen=True)
class Disturbance:
    """One seed: the process, and when, as a part (0 to 1) of how long the undisturbed run took.

    `choice` (0 to 1) picks among several processes of the kind.
    """

    seed: int
    scene: Scene
    kind: str
    moment: float
    choice: float


# As far as reconcile_listings looks back at most.
CALENDAR_DAYS = 400


@dataclass(frozen=True)
class Calendar:
    """What each run is loaded as: a date of its own, so that nothing of another run can pass for its rows.

    The dates begin 300 days before today, since reconcile_listings looks back on CALENDAR_DAYS at most; after 290 seeds
    they are those of days to come, which is no matter either.
    """

    today: date

    def warm_up(self) -> date:
        """The date of the run before all others."""
        return self.today - timedelta(days=301)

    def undisturbed(self, scene: Scene) -> date:
        """The date of a scene's undisturbed run."""
        return self.today - timedelta(days=300 - scene.number)

    def disturbed(self, seed: int) -> date:
        """The date of a seed's run."""
        return self.today - timedelta(days=290 - seed)


def disturbance(seed: int, kind: str | None = None) -> Disturbance:
    """What seed 1, 2, … does; `kind` overrides the process and nothing else."""
    block, place = divmod(seed - 1, len(KINDS))
    order = list(KINDS)
    Random(f"chaos/order/{block}").shuffle(order)
    chance = Random(f"chaos/{seed}")
    moment, choice = chance.random(), chance.random()
    scene = SCENES[(seed - 1) // _SEEDS_PER_SCENE % len(SCENES)]
    return Disturbance(seed, scene, kind or order[place], moment, choice)
