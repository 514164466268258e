# make run   install all that is needed, then serve on http://127.0.0.1:8000 (make install: without serving)
# make test  install all that is needed, then run every test
# make check ruff, mypy strict, import contracts
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.PHONY: run install test check lock system system-test help

help:
	@sed -n 's/^# //p' Makefile | head -3

run: install
	@exec $(BIN)/wenyin serve

install: system $(VENV)/runtime.stamp

test: system-test $(VENV)/dev.stamp
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

check: system-test $(VENV)/dev.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

system:
	@tools/install-system.sh

system-test:
	@tools/install-system.sh --test

$(BIN)/python:
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo '[wenyin] 需要 Python 3.11 以上。' >&2; exit 1; }
	@python3 -m venv $(VENV)

$(VENV)/runtime.stamp: requirements/runtime.txt pyproject.toml | system $(BIN)/python
	@test -e $(VENV)/dev.stamp || echo '[wenyin] 安装 Python 依赖（按哈希锁定）…'
	@$(PIP) install --require-hashes -r requirements/runtime.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml | system-test $(BIN)/python
	@echo '[wenyin] 安装 Python 依赖（按哈希锁定，含测试工具）…'
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/runtime.stamp

# Needs uv on PATH; the lock files carry hashes and no index address.
lock:
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	  pyproject.toml --group build -o requirements/runtime.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	  pyproject.toml --group build --group dev -o requirements/dev.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	  --group load -o requirements/load.txt
