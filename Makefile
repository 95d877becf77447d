# Two commands do everything: `make demo` and `make test`. Each makes the environment when it is missing or stale.
# What takes longer than a coffee: `make acceptance` (every drill on three seeds) and `make bench` (figures).
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/ready
FAULT ?= weather_join
SEED ?= 1

.PHONY: demo test acceptance bench clean

demo: $(READY)
	@$(VENV)/bin/hawkeye demo --fault $(FAULT) --seed $(SEED) $(if $(PLAIN),--plain)

test: $(READY)
	$(VENV)/bin/ruff format --check --quiet .
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/hawkeye playbook check
	$(VENV)/bin/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

acceptance: $(READY)
	$(VENV)/bin/pytest tests/acceptance

bench: $(READY)
	$(VENV)/bin/python -m tests.benchmarks.robustspot
	$(VENV)/bin/python -m tests.benchmarks.tools_speed
	$(VENV)/bin/python -m tests.benchmarks.ranking
	$(VENV)/bin/python -m tests.benchmarks.ranking_null
	$(VENV)/bin/python -m tests.benchmarks.sockshop
	$(VENV)/bin/python -m tests.benchmarks.drills
	$(VENV)/bin/python -m tests.benchmarks.onset
	$(VENV)/bin/python -m tests.benchmarks.rollouts
	$(VENV)/bin/python -m tests.benchmarks.isolation_places
	$(VENV)/bin/python -m tests.benchmarks.isolation_wide
	$(VENV)/bin/python -m tests.benchmarks.mix_shift
	$(VENV)/bin/python -m tests.benchmarks.sampler
	$(VENV)/bin/python -m tests.benchmarks.profile
	$(VENV)/bin/python -m tests.benchmarks.peers
	$(VENV)/bin/python -m tests.benchmarks.snapshot_load
	$(VENV)/bin/python -m tests.benchmarks.snapshot_diff
	$(VENV)/bin/python -m tests.benchmarks.snapshot_faults
	$(VENV)/bin/python -m tests.benchmarks.graph_walk
	$(VENV)/bin/python -m tests.benchmarks.upstream
	$(VENV)/bin/python -m tests.benchmarks.lineage_ingest
	$(VENV)/bin/python -m tests.benchmarks.training_failures
	$(VENV)/bin/python -m tests.benchmarks.training_symptoms
	$(VENV)/bin/python -m tests.benchmarks.partitions
	$(VENV)/bin/python -m tests.benchmarks.ablation
	$(VENV)/bin/python -m tests.benchmarks.importance
	$(VENV)/bin/python -m tests.benchmarks.petshop
	$(VENV)/bin/python -m tests.benchmarks.lineage_calibration

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "HawkEye needs Python 3.11 or newer; say which with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	@echo "making the environment in $(VENV) (a few minutes, once)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[drills,dev]'
	@touch $@
