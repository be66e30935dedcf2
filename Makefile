# Everything a person does with the project. Only python3 (3.11 to 3.13) and make must be there:
# each command sets up what it needs first, which takes no time once it is there.

PYTHON ?= python3
SHELL := /bin/sh
# What a shell has for other projects stays out of this one: PYTHONPATH, PYTHONSAFEPATH, PYTHONINSPECT and all their kind.
unexport $(filter-out PYTHON,$(filter PYTHON%,$(.VARIABLES)))
.DEFAULT_GOAL := help

local  := .venv/local/bin/python
test   := .venv/test/bin/python
floors := .venv/floors/bin/python
uv     := .venv/uv/bin/uv
lock   := $(uv) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
          --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
# How many tests run side by side: more than there are cores, as many of them wait.
WORKERS ?= 3
imports := .venv/test/bin/lint-imports pyproject.toml --no-cache --no-logo
side_by_side := --numprocesses $(WORKERS)
# A demo of recorded pages: make demo RECORDINGS=folder
recordings := $(if $(RECORDINGS),--recordings "$(RECORDINGS)")
# What a replay or a backfill is about.
span := --from "$(FROM)" --to "$(TO)" --source "$(SOURCE)" --markets $(foreach market,$(MARKETS),"$(market)")
# A stage on AWS, and what may be chosen of it: UI_CIDR=203.0.113.7/32 becomes --ui-cidr, and so on.
stage := $(if $(STAGE),--stage "$(STAGE)") $(if $(REGION),--region "$(REGION)")
yes := $(if $(YES),--yes)
# What a command cannot do without is asked for here, before anything is set up.
$(foreach goal,$(filter replay backfill,$(MAKECMDGOALS)),$(if $(and $(FROM),$(TO)),,\
  $(error Say which dates: make $(goal) FROM=2026-11-01 TO=2026-11-22)))
$(foreach goal,$(filter withdraw,$(MAKECMDGOALS)),$(if $(and $(value SET),$(value REASON)$(GIVE_BACK)),,\
  $(error Say which set, and why or GIVE_BACK=1: make withdraw SET=zillow56/houston-tx/2026-11-22/… REASON="another town")))
$(foreach goal,$(filter deploy secrets destroy,$(MAKECMDGOALS)),$(if $(STAGE),,\
  $(error Say which stage: make $(goal) STAGE=dev)))
choices := $(if $(AIRFLOW_ON),--airflow-on "$(AIRFLOW_ON)") \
           $(if $(UI_CIDR),--ui-cidr "$(UI_CIDR)") \
           $(if $(ACCESS_LOGS),--access-logs "$(ACCESS_LOGS)") \
           $(if $(ALARM_EMAIL),--alarm-email "$(ALARM_EMAIL)") \
           $(if $(MONTHLY_BUDGET),--monthly-budget "$(MONTHLY_BUDGET)") \
           $(if $(INSTANCE_TYPE),--instance-type "$(INSTANCE_TYPE)") \
           $(if $(LAYER_ARN),--layer-arn "$(LAYER_ARN)") \
           $(if $(BASE_RPU),--base-rpu "$(BASE_RPU)") \
           $(if $(MAX_RPU),--max-rpu "$(MAX_RPU)") \
           $(if $(MWAA_CLASS),--mwaa-class "$(MWAA_CLASS)") \
           $(if $(MWAA_MAX_WORKERS),--mwaa-max-workers "$(MWAA_MAX_WORKERS)") \
           $(if $(RPU_HOURS),--rpu-hours "$(RPU_HOURS)") \
           $(if $(NEW_HOST),--new-host)

##@ Run

.PHONY: demo
demo: stack-environments ## Run the pipeline for three markets and dates, and show that the counts add up (RECORDINGS=folder: on recorded pages)
	@$(local) -m local.commands.demo $(recordings)

.PHONY: up
up: stack-environments ## Start the whole stack on this machine: PostgreSQL, AWS, Redshift, the API, Airflow
	@$(local) -m local.stack up $(recordings)

.PHONY: down
down: run-environments ## Stop the stack and leave no process, port or lock behind; its data stays
	@$(local) -m local.stack down

.PHONY: status
status: run-environments ## Show what runs, where to look, the last runs and the counts
	@$(local) -m local.stack status

.PHONY: sql
# make knows an AS of its own, the assembler. A statement goes through the environment: no shell reads its quotes.
sql: AS := reader
sql: override export SQL := $(value SQL)
sql: run-environments ## Open psql on the warehouse as the reader, who sees the marts: [AS=loader] [SQL="select …"]
	@$(local) -m local.commands.psql --as "$(AS)" --command="$$SQL"

##@ Mend

.PHONY: replay
replay: run-environments ## Clean and load again what lies in raw: FROM=2026-11-01 TO=2026-11-22 [MARKETS="houston-tx austin-tx"] [SOURCE=zillow56]
	@$(local) -m local.commands.replay replay $(span)

.PHONY: backfill
backfill: run-environments ## The same, but only for sets that the warehouse lacks or that should hold their day
	@$(local) -m local.commands.replay backfill $(span)

.PHONY: redrive
redrive: run-environments ## Put dead-lettered messages back on their queues
	@$(local) -m local.commands.replay redrive

.PHONY: withdraw
# As of a statement, no shell reads the quotes of a reason.
withdraw: override export SET := $(value SET)
withdraw: override export REASON := $(value REASON)
withdraw: run-environments ## Withdraw a set that must not count, or give it back: SET=source/market/date/extraction REASON="why" [GIVE_BACK=1]
	@$(local) -m local.commands.withdraw --set="$$SET" --reason="$$REASON" $(if $(GIVE_BACK),--give-back)

##@ AWS

.PHONY: deploy
deploy: run-environments ## Bring a stage on AWS to this checkout, changes shown first: STAGE=dev [REGION=…] [UI_CIDR=… ALARM_EMAIL=… AIRFLOW_ON=ec2|mwaa|none …]
	@$(local) -m infra.deploy.aws $(stage) $(yes) $(choices)

.PHONY: secrets
secrets: run-environments ## Put the key of config/api_config.json and the other connections into Secrets Manager: STAGE=dev [ROTATE=1]
	@$(local) -m infra.deploy.put_secrets $(stage) $(if $(ROTATE),--rotate)

.PHONY: destroy
destroy: run-environments ## Take a stage on AWS down, and say what is kept: STAGE=dev
	@$(local) -m infra.deploy.destroy $(stage) $(yes)

.PHONY: package-mwaa
package-mwaa: run-environments ## Write what Amazon's managed Airflow is handed into .local/mwaa (STAGE=dev: with that stage's settings)
	@$(local) -m infra.package.mwaa $(if $(STAGE),--stage "$(STAGE)")

.PHONY: doctor
doctor: run-environments ## Say of each part whether it is as it must be, and what to do: the local stack, or STAGE=dev (NO_API=1: no request)
	@$(local) -m infra.doctor $(if $(STAGE),$(stage)) $(if $(NO_API),--no-api)

##@ Check

.PHONY: check
check: lint types test-unit ## What one runs while working: the linters, the type checker, the tests that need no stack

.PHONY: test
test: setup browser lint types ## Run the linters, the type checker and every test; of each proof one case
	@$(test) -m pytest $(side_by_side) -m "not proofs or sample" tests

.PHONY: test-unit
test-unit: setup ## Run the tests that need no stack: unit, SQL, DAGs
	@$(test) -m pytest $(side_by_side) tests/unit tests/sql tests/dags

# What Airflow imports: the DAGs, the package for MWAA, and the modules of include that use what its image brings.
floors_tests := tests/dags tests/infra/test_mwaa.py tests/unit/contract tests/unit/report

.PHONY: test-floors
test-floors: setup ## Run the DAG tests on what Amazon's managed Airflow runs: Airflow 3.3.1 on Python 3.12
	@$(PYTHON) tools/environments.py floors
	@$(floors) -m pytest $(side_by_side) $(floors_tests)

.PHONY: test-integration
test-integration: setup browser ## Run the tests against the real stand-in, of the template, and end to end
	@$(test) -m pytest $(side_by_side) tests/integration tests/infra tests/e2e

.PHONY: proofs
proofs: setup browser ## Show what is shown before a release: chaos, rights taken away, a host, … (AGAIN=1: also what passed)
	@$(test) -m tests.proofs $(if $(AGAIN),--again)

proof-%: setup browser
	@$(test) -m tests.proofs $* --again

.PHONY: fuzz
fuzz: setup ## Hold the transform's claims against 20,000 generated sets of pages, and the rule of the day against 5,000 days (EXAMPLES=n: fewer)
	@$(test) -m tests.fuzz $(if $(EXAMPLES),--examples $(EXAMPLES))
	@for part in 1 2 3 4 5; do RULE_CASES=$(or $(EXAMPLES),1000) RULE_SEED=$$(date +%s) $(test) -m pytest -q -s -k keep_the_rule tests/integration/test_rule_of_the_day.py || exit 1; done

.PHONY: lint
lint: setup ## Check style (ruff) and the import law (import-linter)
	@$(test) -m ruff check .
	@$(test) -m ruff format --check .
	@$(imports)

.PHONY: types
types: setup ## Check the types (mypy, strict)
	@$(test) -m mypy

.PHONY: fmt
fmt: setup ## Format the code and fix what the linter can fix
	@$(test) -m ruff check --fix .
	@$(test) -m ruff format .

.PHONY: chaos
chaos: setup ## Kill a process at a moment, by seed, and compare the warehouse (SEEDS=50 FIRST=1 PROCESS=kind)
	@$(test) -m tests.proofs.chaos --seeds $(or $(SEEDS),50) --first $(or $(FIRST),1) $(if $(PROCESS),--process $(PROCESS))

.PHONY: bench
bench: setup ## Measure the transform beside the classic tutorial's work, and the report as it grows
	@$(test) -m bench.transform
	@$(test) -m bench.report

.PHONY: bench-chain
bench-chain: setup ## Measure 1, 3 and 25 markets from trigger to report (BESIDE=folder: and another checkout in turn; ROUNDS=n)
	@$(test) -m bench.chain $(if $(BESIDE),--beside "$(BESIDE)") $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: bench-host
bench-host: setup ## As root: measure the memory of the EC2 host in a cgroup of 4 GiB while three markets go through
	@$(test) -m bench.host_memory

##@ Maintain

.PHONY: setup
setup: ## Make every environment under .venv (the other commands do it too)
	@$(PYTHON) tools/environments.py airflow local test

.PHONY: docs
docs: setup ## Generate the pages that are derived: of the contract, the settings and the DAGs
	@$(test) -m include.contract.listing --dictionary > docs/data-dictionary.md
	@$(test) -m tools.pages settings > docs/settings.md
	@$(test) -m tools.pages dags > docs/dags.md

.PHONY: pictures
pictures: browser ## Take the README's pictures of the stack that is up (after make demo)
	@$(test) -m tools.pictures

.PHONY: browser
browser: setup ## Make sure that there is a browser for the tests of the UI
	@$(test) -m tools.browser

.PHONY: lock
lock: setup ## Compile requirements.txt and requirements/*.in into exact versions with hashes (UPGRADE=1: the newest ones)
	@$(lock) $(if $(UPGRADE),--upgrade) requirements/uv.in --output-file requirements/uv.txt
	@$(lock) $(if $(UPGRADE),--upgrade) requirements.txt --output-file requirements/airflow.txt
	@$(lock) $(if $(UPGRADE),--upgrade) requirements/local.in --output-file requirements/local.txt
	@$(lock) $(if $(UPGRADE),--upgrade) requirements.txt requirements/test.in --constraint requirements/airflow.txt --output-file requirements/test.txt
	@$(lock) requirements/floors.in --output-file requirements/floors.txt
	@$(lock) $(if $(UPGRADE),--upgrade) requirements/checkov.in --output-file requirements/checkov.txt

# For what starts a stack: where there can be none, that is said before the set-up.
.PHONY: stack-environments
stack-environments:
	@$(PYTHON) tools/environments.py --stack airflow local

.PHONY: run-environments
run-environments:
	@$(PYTHON) tools/environments.py airflow local

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
