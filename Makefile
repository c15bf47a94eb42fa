# Everything here works in a folder whose path has spaces: paths are relative, and programs are called through the
# environment's Python, since the first lines of its scripts hold a path.

PYTHON ?= python3
# Whoever forbids it would have each of the many processes that tests start compile all of it anew.
unexport PYTHONDONTWRITEBYTECODE
LOCKING = .venv/bin/python -m uv pip compile --universal --generate-hashes --python-version 3.11 \
	--no-header $(if $(UPGRADE),--upgrade) --quiet

VERSION := -c 'import sys; print(*sys.version_info[:2])'

# Programs that are run now and then, each in an environment of its own.
TOOL := .venv/bin/python -m uv tool run

# Makes .venv when it is missing, broken, was made in another place, or by another Python than the one that is named;
# installs the lock $(1) when it has changed, which also gives all that the locks $(2) would. uv takes seconds where pip
# takes more than a minute, but does not read pip's settings of mirrors and certificates: where it can't fetch, or there
# is none, pip does it.
define install
	@set -e; \
	if ! "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then \
		echo 'Deskwire needs Python 3.11 or newer, and $(PYTHON) is not. Name one: make $@ PYTHON=python3.12' >&2; exit 1; \
	fi; \
	if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null \
		|| [ "$$(cat .venv/place 2> /dev/null)" != "$$(cd ./.venv && pwd -P)" ] \
		|| { [ '$(origin PYTHON)' != file ] && [ "$$(.venv/bin/python $(VERSION))" != "$$("$(PYTHON)" $(VERSION))" ]; }; then \
		if ! "$(PYTHON)" -c 'import ensurepip, venv' 2> /dev/null; then \
			echo '$(PYTHON) has no venv module. On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; \
		fi; \
		echo 'Making .venv'; \
		rm -rf .venv; "$(PYTHON)" -m venv .venv; (cd ./.venv && pwd -P) > .venv/place; \
	fi; \
	if [ "$$(cat .venv/$(1).installed 2> /dev/null)" != "$$(cksum < $(1))" ]; then \
		echo 'Installing $(1)'; \
		export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1; \
		{ .venv/bin/python -m pip install --quiet --require-hashes -r requirements-uv.lock \
			&& .venv/bin/python -m uv pip install --python .venv --require-hashes -r $(1); } \
			|| .venv/bin/python -m pip install --require-hashes -r $(1) \
			|| { echo 'Not all of it could be installed. What had to be built, and could not be, is not packaged for' \
				"this Python yet: name another one, as in make $@ PYTHON=python3.14" >&2; exit 1; }; \
		for lock in $(1) $(2); do cksum < "$$lock" > ".venv/$$lock.installed"; done; \
	fi
endef
define install-dev
	$(call install,requirements-dev.lock,requirements-embedded.lock)
endef

.PHONY: help run test check types others format faults schema migration lock sbom audit manifests demo-day bench clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

run: ## Run all of Deskwire here: PORT, HOST, DATA_DIR, LARGE=1 for 1,000,000 tickets
	$(call install,requirements-embedded.lock)
	@exec .venv/bin/python desk.py up

test: ## Run the tests; ARGS go to pytest
	$(install-dev)
	.venv/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

check: ## Run everything that CI runs: format, lint, types, rooms, schema, migrations, tests
	$(install-dev)
	@$(MAKE) --no-print-directory -j 2 types others

# Apart from the rest, since it takes one core for minutes.
types:
	.venv/bin/python -m mypy

others:
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m ruff check .
	.venv/bin/python .venv/bin/lint-imports
	.venv/bin/python desk.py print-schema | diff -u schema/schema.graphql -
	.venv/bin/python desk.py check-migrations
	.venv/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

format: ## Put the code into its form, and mend what ruff can
	$(install-dev)
	.venv/bin/python -m ruff format .
	.venv/bin/python -m ruff check --fix .

faults: ## Break every promise on purpose, ROUNDS times, and write what came of it into docs/promises.md
	$(install-dev)
	FAULT_ROUNDS=$(or $(ROUNDS),5) FAULT_TABLE=docs/promises.md .venv/bin/python -m pytest \
		tests/faults tests/live/test_limits.py tests/rules/test_metrics_equal_a_recount.py $(ARGS)

schema: ## Print the API into schema/schema.graphql
	$(install-dev)
	@.venv/bin/python desk.py print-schema > .venv/schema.graphql
	@cp .venv/schema.graphql schema/schema.graphql

migration: ## Draft a migration to the models' tables: NAME="add tags"
	$(install-dev)
	@test -n '$(NAME)' || { echo 'Give it a name: make migration NAME="add tags"' >&2; exit 1; }
	.venv/bin/python desk.py draft-migration '$(NAME)'

lock: ## Lock the dependencies again; UPGRADE=1 takes the newest
	$(install-dev)
	$(LOCKING) pyproject.toml -o requirements.lock
	$(LOCKING) pyproject.toml --extra embedded -c requirements.lock -o requirements-embedded.lock
	$(LOCKING) pyproject.toml --extra embedded --group dev -c requirements-embedded.lock -o requirements-dev.lock
	echo uv | $(LOCKING) - -c requirements-dev.lock -o requirements-uv.lock

sbom: ## Write down what Deskwire is made of, as CycloneDX: sbom.json
	$(install-dev)
	$(TOOL) --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements.lock --output-reproducible -o sbom.json

audit: ## Ask for known vulnerabilities of all that is locked; needs the internet, and fails where it can't ask
	$(install-dev)
	@for lock in requirements.lock requirements-dev.lock; do \
		$(TOOL) pip-audit==2.10.1 --strict --disable-pip --require-hashes -r "$$lock" || exit 1; done

manifests: ## Hold the Kubernetes manifests against Kubernetes' own schemas; needs the internet
	$(install-dev)
	$(TOOL) kubernetes-validate==1.37.0 --strict --kubernetes-version 1.31 \
		$(filter-out %/kustomization.yaml,$(wildcard deploy/kubernetes/*.yaml))

demo-day: ## Play a day at the desk: one ticket from its submission to its rating, as six people live it
	$(install-dev)
	@.venv/bin/python tests/running/demo_day.py

bench: ## Run the benchmarks
	$(install-dev)
	@for benchmark in benchmarks/*.py; do echo "$$benchmark"; .venv/bin/python "$$benchmark" || exit 1; done

clean: ## Remove what tools have cached; .venv and .data stay
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name .venv -prune -o -name .data -prune -o -name __pycache__ -type d -exec rm -rf {} +
