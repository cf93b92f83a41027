"""The web application of the explorer: its addresses, and the form of its errors."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from minicnn.errors import InputError, UnknownNameError, one_line

from ..shared.error_texts import error_text
from ..shared.photo_files import warn
from . import answers, live, unit_answers
from .bundle import modules_of
from .security import TooLargeError, read_body
from .session import GoneError
from .state import Asked, Explorer
from .streams import FAULT, start_stream
from .texts import page_of

PAGE = Path(__file__).parent / "page"
TEMPLATES = Environment(loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined)
MEDIA = {".js": "text/javascript", ".css": "text/css"}  # of the page's files
CLOSED = 499  # the status of an answer to a closed connection
Endpoint = Callable[[Request], Awaitable[Response]]

ANSWERS = {"networks": answers.networks, "network": answers.network, "image": answers.shown_photo,
           "maps": answers.maps, "picture": answers.picture, "value": unit_answers.value,
           "channel": unit_answers.channel, "channel-checks": unit_answers.channel_checks,
           "patches": answers.patches, "class": answers.class_picture, "class-checks": answers.class_checks,
           "code": answers.code, "thumbnail": answers.thumbnail}
POSTS = {"photo": answers.photo, "frame": answers.frame, "stop": answers.stop}
STREAMS = {"synthesis": live.synthesis, "occlusion": live.occlusion, "fooling": live.fooling, "dream": live.dream,
           "style": live.style}


def make_app(explorer: Explorer) -> Starlette:
    """Return the application. The Guard of security.py must stand before it."""
    routes = [Route("/", front_page(explorer)), Route("/page/{name}", page_file)]
    routes += [Route(f"/api/{name}", answered(explorer, answer)) for name, answer in ANSWERS.items()]
    routes += [Route(f"/api/{name}", answered(explorer, answer), methods=["POST"]) for name, answer in POSTS.items()]
    routes += [Route(f"/api/{name}", streamed(explorer, work)) for name, work in STREAMS.items()]
    return Starlette(routes=routes, exception_handlers={HTTPException: http_problem})


def front_page(explorer: Explorer) -> Endpoint:
    """Return the endpoint of the page, which holds the first two answers that it would ask for."""
    name, modules = explorer.networks.default, list(modules_of(PAGE))

    async def endpoint(request: Request) -> Response:
        known = {"networks?": answers.lists(explorer), f"network?model={name}": explorer.description(name)}
        return HTMLResponse(page_of(TEMPLATES, PAGE, explorer.language, modules=modules, known=known))
    return endpoint


async def page_file(request: Request) -> Response:
    """Answer with a script or the style sheet of the page."""
    name = request.path_params["name"]
    file = PAGE / name
    if file.suffix not in MEDIA or file.name not in os.listdir(PAGE):
        raise HTTPException(404)
    return Response(file.read_bytes(), media_type=MEDIA[file.suffix])


def answered(explorer: Explorer, answer: Callable[[Asked], Response]) -> Endpoint:
    """Return the endpoint that answers with answer(asked), computed in the explorer's thread."""
    async def endpoint(request: Request) -> Response:
        try:
            body = await read_body(request) if request.method == "POST" else b""
            asked = Asked(explorer, request, body)
            if answer is answers.thumbnail and asked.query.get("id") in explorer.thumbnails:
                return answer(asked)  # nothing is computed, so it waits for nothing
            answer_or_none = await explorer.worker.run(lambda: answer(asked), request.is_disconnected)
            return Response(status_code=CLOSED) if answer_or_none is None else answer_or_none
        except ClientDisconnect:
            return Response(status_code=CLOSED)
        except Exception as problem:  # of any computation
            return problem_answer(problem, request, explorer.language)
    return endpoint


def streamed(explorer: Explorer, prepare: Callable[[Asked], Any]) -> Endpoint:
    """Return the endpoint that streams the events of work(stream), where work = prepare(asked)."""
    async def endpoint(request: Request) -> Response:
        try:
            asked = Asked(explorer, request)
            session = asked.session
            session.stop()
            work = await explorer.worker.run(lambda: prepare(asked), request.is_disconnected)
            if work is None:
                return Response(status_code=CLOSED)
            stream = start_stream(work, session, explorer.worker.calm, explorer.language)
            return StreamingResponse(stream.lines(), media_type="text/event-stream")
        except Exception as problem:  # of any computation
            return problem_answer(problem, request, explorer.language)
    return endpoint


def problem_answer(problem: Exception, request: Request, language: str) -> Response:
    """Return the answer to a request that failed: {"error": one sentence in the page's language}, with its status.

    A browser writes each status from 400 on into its console, as if the page were broken. So a request of the page's
    own script, which has the header X-Session, is answered with status 200 if the fault is the user's.
    """
    page = "x-session" in request.headers
    if isinstance(problem, GoneError) and page:
        return JSONResponse({"lost": "photo"})
    if not isinstance(problem, InputError):
        warn(f"explore: {request.url.path}: {type(problem).__name__}: {one_line(problem, 500)}")
        return JSONResponse({"error": error_text(FAULT, language)}, 500)
    status = (410 if isinstance(problem, GoneError) else 413 if isinstance(problem, TooLargeError) else
              404 if isinstance(problem, UnknownNameError) else 400)
    return JSONResponse({"error": one_line(error_text(str(problem), language), 500)}, 200 if page else status)


async def http_problem(request: Request, problem: Exception) -> Response:
    """Answer a request for an unknown address, or of a wrong method."""
    assert isinstance(problem, HTTPException)
    return JSONResponse({"error": f"{problem.detail}: the explorer has no such address".replace("Not Found: ", "")
                         if problem.status_code == 404 else str(problem.detail)}, problem.status_code, problem.headers)
