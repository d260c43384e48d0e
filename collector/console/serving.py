"""Runs the console: everything put together, on a listener of its own, until it is told to stop."""

import asyncio
import signal
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette

from collector.access.accounts import Accounts
from collector.access.oidc import Provider, provider_of
from collector.auditing import Logs, audit_logs
from collector.config import Settings
from collector.config_files import server_context
from collector.config_http import is_loopback
from collector.console.api import api_routes
from collector.console.app import Console, make_console
from collector.console.pages import ConsolePages
from collector.console.reading import Reader
from collector.console.rendering import Forms
from collector.console.signed_in import SignedIn
from collector.console.signing import Signing
from collector.errors import DataFault
from collector.http import Listener

_PORTS: Final = {"http": 80, "https": 443}
_NOBODY: Final = (
    "console.host: found '{}' and nobody who can sign in, expected an account or a provider for a console that other "
    "machines reach. Add one with: ueip user add, or set console.oidc"
)


class ConsoleServer:
    """The console of an installation.

    Raises:
        DataFault: other machines would reach it, and nobody could sign in.
        CollectorError: its address cannot be listened on.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._accounts = Accounts(settings.accounts_file)
        if not is_loopback(settings.console.host) and not self.has_people:
            raise DataFault([_NOBODY.format(settings.console.host)])
        self._provider = provider_of(settings.console.oidc)
        logs = audit_logs(settings)
        self._reader = Reader(settings, logs)
        app = application(settings, self._reader, self._accounts, logs, self._provider)
        self._listener = Listener(app, "console", settings.console, server_context(settings.console))

    @property
    def address(self) -> str:
        """Where browsers find it."""
        return self._settings.console.oidc.public_url or self._listener.address

    @property
    def has_people(self) -> bool:
        """Whether there is anybody who could sign in."""
        return self._settings.console.oidc.enabled or bool(self._accounts.book().accounts)

    async def run(self, *, started: Callable[[], None] = lambda: None) -> None:
        """Serve until SIGINT or SIGTERM; requests under way are finished."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        surveys = asyncio.create_task(self._reader.fleets.run())
        serving = asyncio.create_task(self._listener.run())
        await self._listener.is_serving(serving)
        started()
        try:
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait([serving, surveys, stopped], return_when=asyncio.FIRST_COMPLETED)
            await self._listener.stop()
            await serving
        finally:
            surveys.cancel()
            await asyncio.gather(surveys, return_exceptions=True)
            if self._provider is not None:
                await self._provider.close()


def application(
    settings: Settings, reader: Reader, accounts: Accounts, logs: Logs, provider: Provider | None
) -> Starlette:
    """All that a console of these settings answers."""
    public, own = settings.console.oidc.public_url, settings.console.sign_in
    origins = frozenset() if public is None else frozenset({origin_of(public)})
    secure = settings.console.cert_file is not None or (public or "").startswith("https:")
    signed_in = SignedIn(own, accounts, secure=secure, origins=origins)
    signing = Signing(own, signed_in, accounts, logs, Forms(), provider=provider, secure=secure)
    console = Console(settings.console, reader, signed_in)
    return make_console(console, ConsolePages(console), [*api_routes(console), *signing.routes])


def origin_of(url: str) -> str:
    """The origin that a browser gives for a page of *url*: in lower case, without a default port."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    port = "" if parts.port in {None, _PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
