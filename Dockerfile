# wenyin on Debian. Build: docker build -t wenyin .
# Run:   docker run --rm -p 8000:8000 --read-only --tmpfs /tmp -v wenyin-state:/var/lib/wenyin wenyin
FROM debian:trixie-slim AS system
COPY tools/install-system.sh /opt/wenyin/tools/install-system.sh
RUN /opt/wenyin/tools/install-system.sh \
    && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/*

FROM system AS build
WORKDIR /opt/wenyin
COPY requirements/runtime.txt requirements/runtime.txt
RUN python3 -m venv .venv \
    && .venv/bin/python -m pip install -qq --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md ./
COPY service service
RUN .venv/bin/python -m pip install -qq --no-cache-dir --no-deps --no-build-isolation -e .

FROM system
COPY --from=build /opt/wenyin /opt/wenyin
COPY templates/docx /opt/wenyin/templates/docx
RUN useradd --system --uid 10001 --home-dir /nonexistent wenyin \
    && install -d -o wenyin -g wenyin -m 0700 /var/lib/wenyin
USER wenyin
WORKDIR /opt/wenyin
ENV WENYIN_HOST=0.0.0.0 WENYIN_STATE_DIR=/var/lib/wenyin PYTHONDONTWRITEBYTECODE=1
VOLUME /var/lib/wenyin
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["/opt/wenyin/.venv/bin/python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=8)"]
ENTRYPOINT ["tini", "--", "/opt/wenyin/.venv/bin/wenyin"]
CMD ["serve"]
