#!/bin/sh
# 在一台工作机上启动 Dask worker。用法：deploy/dask/worker.sh 调度器主机:端口
# 每台工作机要有同样版本的 wenyin[dask]、LibreOffice、字体、模板和密钥，设置来自各自的 WENYIN_ 环境变量。
# 一核一个进程、每进程一个线程；--nanny 会把被杀的进程重新拉起，因此一行坏数据只坏它自己。
set -eu
export WENYIN_CONVERTERS=1
exec dask worker "tcp://$1" --nworkers "$(nproc)" --nthreads 1 --nanny --memory-limit 1.5GiB --no-dashboard
