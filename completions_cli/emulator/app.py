"""The ASGI application of one emulator."""

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from completions_cli.emulator import openapi
from completions_cli.emulator.behaviours import Behaviour
from completions_cli.emulator.service import Service


class _Endpoint:
    """An ASGI endpoint that sees every method; Starlette would answer a plain function's wrong methods itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def build_app(service: Service, behaviour: Behaviour) -> Starlette:
    """Put the service's endpoints under the behaviour's paths."""
    routes = [Route(path, _Endpoint(service.completions)) for path in behaviour.paths]
    routes += [Route(path, _Endpoint(service.models)) for path in _models_paths(behaviour)]
    routes += [Route("/health", _Endpoint(service.health)), Route(openapi.PATH, _Endpoint(service.describe))]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    app.router.default = service.elsewhere
    return app


def _models_paths(behaviour: Behaviour) -> list[str]:
    """Return where the models are listed: beside each completions route, and where most clients look."""
    beside = [path.removesuffix("completions") + "models" for path in behaviour.paths]
    return sorted({*beside, "/models", "/v1/models"})
