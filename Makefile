# install: .venv   viewer: OHIF at /   up: the whole system on this machine   test: all tests   fuzz: 100,000 inputs at each parser   bench: bench/results.md   lint: all checks   docs: docs/conformance.md, docs/settings.md, docs/openapi.yaml, dashboards   site: the documents as a site, in site/   lock: new pins
PYTHON ?= python3
DISTRIBUTIONS := $(wildcard libs/* services/*)
EDITABLE := $(foreach d,$(DISTRIBUTIONS),-e ./$(d))

.PHONY: install viewer up test fuzz bench docs site lint format lock clean
install: .venv/.installed

.venv/.installed: requirements/all.txt requirements/uv.txt pyproject.toml $(DISTRIBUTIONS:%=%/pyproject.toml)
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	.venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python --require-hashes -r requirements/all.txt
	.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps $(EDITABLE)
	touch $@

up: install
	.venv/bin/isthmus up

viewer: install
	.venv/bin/isthmus viewer

test: install
	tests/peers/install
	.venv/bin/ruff format --check --quiet
	.venv/bin/ruff check --quiet
	.venv/bin/lint-imports
	.venv/bin/mypy & types=$$!; \
	PYTHONDONTWRITEBYTECODE= .venv/bin/pytest -n 3 --dist loadfile --no-loadscope-reorder \
		--reruns 1 --max-suite-reruns 5 --rerun-except 'left running|nobody may know' --rerun-show-tracebacks $(ARGS); tests=$$?; \
	wait $$types && exit $$tests

fuzz: install
	tests/peers/install
	.venv/bin/python -m tests.fuzz --inputs 100000 $(ARGS)
	.venv/bin/python -m tests.fuzz.system --requests 20000

bench: install
	tests/peers/install
	.venv/bin/python -m bench $(ARGS)

docs: install
	.venv/bin/python -m tests.documents.conformance
	.venv/bin/python -m tests.documents.settings_page
	.venv/bin/python -m tests.documents.telemetry_page
	.venv/bin/python -m tests.documents.backing_files
	.venv/bin/python -m tests.observability.dashboards
	.venv/bin/python -m tests.documents.openapi

site: install
	.venv/bin/python -m tests.documents.site

lint: install
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/lint-imports
	.venv/bin/mypy

format: install
	.venv/bin/ruff format --quiet
	.venv/bin/ruff check --fix --quiet

lock: install
	.venv/bin/uv lock --upgrade
	.venv/bin/uv export --quiet --no-header --no-emit-workspace --all-packages --all-groups --all-extras -o requirements/all.txt
	.venv/bin/uv export --quiet --no-header --no-annotate --no-emit-workspace --no-dev --package isthmus-cli -o requirements/services.txt
	echo 'uv>=0.13,<1' | .venv/bin/uv pip compile --quiet --no-header --generate-hashes --no-emit-index-url - -o requirements/uv.txt

clean:
	rm -rf .venv
