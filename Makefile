# make run: install and start the web studio; make test: install and test. Everything lives in .venv.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE ?= 1

.PHONY: install run test test-browser lint fix screenshots evaluate readme clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,browser,oidc]'
	touch $@

run: install
	$(BIN)/studio serve

test: install
	$(BIN)/python -m pytest -m "not browser"

test-browser: install
	@command -v chromium >/dev/null || { echo "Chromium is needed on the PATH (Debian: apt-get install chromium)."; exit 1; }
	$(BIN)/python -m pytest -m browser

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: install
	$(BIN)/python -m tests.screenshots

evaluate: install
	$(BIN)/studio evaluate --preset tiny

readme: install
	$(BIN)/python tests/readme_tree.py

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
