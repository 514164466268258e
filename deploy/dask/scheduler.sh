#!/bin/sh
# 启动 Dask 调度器。用法：deploy/dask/scheduler.sh [端口，默认 8786]
# 调度器只把任务分给 worker，不碰密钥和数据。请只在内网监听；跨网络时按 Dask 文档启用 TLS。
set -eu
export DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=1
exec dask scheduler --port "${1:-8786}" --no-dashboard
