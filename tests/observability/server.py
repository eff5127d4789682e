"""A real Prometheus with the configuration that is shipped, but for the addresses of what it scrapes."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx2
import yaml

from tests.observability.rules import ALERTS, SHIPPED
from tests.peers import Process, free_port
from tests.waiting import PATIENCE

READY: Final = "/-/ready"
"""Where it says that it is."""
EACH: Final = "2s"
"""How often it scrapes, and looks at the rules: nobody waits for a quarter of a minute."""


class Prometheus:
    """A server on a free port of loopback; a context manager."""

    def __init__(self, directory: Path, targets: Mapping[str, Sequence[str]], key: str = "none") -> None:
        """Write its configuration.

        Args:
            directory: takes that, its data and its log.
            targets: `host:port` of the processes of each service.
            key: what it shows them.
        """
        self._directory = directory
        self._address = f"127.0.0.1:{free_port()}"
        (directory / "alerts.yaml").write_bytes(ALERTS.read_bytes())
        (directory / "metrics_key").write_text(key)
        self._configuration = directory / "prometheus.yml"
        self._configuration.write_text(yaml.safe_dump(self._addressed(targets)))

    def _addressed(self, targets: Mapping[str, Sequence[str]]) -> Mapping[str, object]:
        configuration: dict[str, Any] = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
        configuration["global"] = {
            "scrape_interval": EACH,
            "evaluation_interval": EACH,
            "scrape_timeout": EACH,
        }
        ours, others, store = configuration["scrape_configs"]
        configuration["scrape_configs"].remove(store)  # that of `isthmus up` tells nobody
        (found,) = ours.pop("dns_sd_configs")
        assert found["names"] == list(targets), "all services, and no others"
        del ours["relabel_configs"]  # the label that it takes from the name in the DNS is told here
        ours["authorization"]["credentials_file"] = str(self._directory / "metrics_key")
        ours["static_configs"] = [
            {"targets": list(addresses), "labels": {"service": name}} for name, addresses in targets.items()
        ]
        others["static_configs"] = [{"targets": [self._address], "labels": {"service": "prometheus"}}]
        return configuration

    def query(self, expression: str) -> list[Mapping[str, str]]:
        """Give the labels of each answer, as of now.

        Raises:
            AssertionError: it is none that Prometheus understands.
        """
        answer = self._get("/api/v1/query", query=expression)
        assert answer["status"] == "success", f"{expression}: {answer}"
        data = answer["data"]
        return [one["metric"] for one in data["result"]] if data["resultType"] == "vector" else [{}]

    def has_answered(self, expression: str) -> bool:
        """Tell whether there was an answer at any time since it was started: some numbers go again.

        Raises:
            AssertionError: it is none that Prometheus understands.
        """
        times = {"start": str(self._began), "end": str(time.time()), "step": EACH}
        answer = self._get("/api/v1/query_range", query=expression, **times)
        assert answer["status"] == "success", f"{expression}: {answer}"
        return bool(answer["data"]["result"])

    def rules(self) -> list[Mapping[str, Any]]:
        """Give the rules, with how they do."""
        groups = self._get("/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def targets(self) -> list[Mapping[str, Any]]:
        """Give what it scrapes, with how that goes."""
        found: list[Mapping[str, Any]] = self._get("/api/v1/targets")["data"]["activeTargets"]
        return found

    def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        found: dict[str, Any] = self._client.get(path, params=parameters).json()
        return found

    def __enter__(self) -> Self:
        self._began = time.time()
        self._client = httpx2.Client(base_url=f"http://{self._address}", timeout=PATIENCE, trust_env=False)
        command = [
            "prometheus",
            f"--config.file={self._configuration}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address={self._address}",
        ]
        self._process = Process(command, log=self._directory / "prometheus.log", environment={})
        self._process.wait_until(self._is_ready)
        return self

    def _is_ready(self) -> bool:
        try:
            return self._client.get(READY).status_code == 200
        except httpx2.TransportError:
            return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._process.stop()
