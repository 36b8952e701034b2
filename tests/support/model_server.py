"""A small model server for tests: OpenInference v2 JSON and plain JSON, slow on demand.

It needs aiohttp and nothing of ours, so a pod can run it from a ConfigMap:

    PORT=8080 DELAY=0.05 python model_server.py

It drains on SIGTERM: requests in flight are answered. `PUT /delay` with a number of seconds makes
it slow, or quick again, while it runs.
"""

import asyncio
import itertools
import math
import os
from typing import Any

from aiohttp import web

DELAY = web.AppKey("delay", list[float])
"""Seconds before each answer, as a list of one so that it can change."""


def score(row: list[Any]) -> float:
    """Return the probability that the model gives a row: a logistic of its numbers' mean."""
    numbers = [float(value) for value in row if isinstance(value, int | float)]
    mean = sum(numbers) / len(numbers) if numbers else 0.0
    return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, mean))))


def rows_of(inputs: list[dict[str, Any]]) -> list[list[Any]]:
    """Return the rows of tensors: one matrix, nested or flat, or one tensor a column."""
    if len(inputs) > 1 or len(inputs[0]["shape"]) == 1:
        return [list(row) for row in zip(*(flat(tensor["data"]) for tensor in inputs), strict=True)]
    width = inputs[0]["shape"][-1]
    values = flat(inputs[0]["data"])
    return [values[start : start + width] for start in range(0, len(values), width)]


def flat(data: list[Any]) -> list[Any]:
    """Return the scalars of nested lists."""
    while data and isinstance(data[0], list):
        data = list(itertools.chain.from_iterable(data))
    return data


async def infer(request: web.Request) -> web.Response:
    """Answer as MLServer does: a label [n, 1] and two probabilities [n, 2]."""
    body = await request.json()
    await asyncio.sleep(request.app[DELAY][0])
    try:
        scores = [score(row) for row in rows_of(body["inputs"])]
    except (KeyError, TypeError, ValueError):
        return web.Response(status=500, text="Internal Server Error")
    count = len(scores)
    labels = [int(value >= 0.5) for value in scores]
    pairs = [part for value in scores for part in (1.0 - value, value)]
    return web.json_response(
        {
            "model_name": request.match_info["model"],
            "model_version": "v1",
            "id": body.get("id", "none"),
            "outputs": [
                {"name": "predict", "shape": [count, 1], "datatype": "INT64", "data": labels},
                {"name": "predict_proba", "shape": [count, 2], "datatype": "FP64", "data": pairs},
            ],
        }
    )


async def predict(request: web.Request) -> web.Response:
    """Answer generic JSON: {"instances": [[…], …]} with {"predictions": [score, …]}.

    `?status=500` asks for another status code.
    """
    body = await request.json()
    await asyncio.sleep(request.app[DELAY][0])
    status = int(request.query.get("status", "200"))
    predictions = [score(row) for row in body["instances"]]
    return web.json_response({"predictions": predictions}, status=status)


async def set_delay(request: web.Request) -> web.Response:
    """Take the seconds to wait before each answer."""
    request.app[DELAY][0] = float(await request.text())
    return web.Response(text="ok\n")


async def ready(_request: web.Request) -> web.Response:
    """Answer readiness probes."""
    return web.json_response({"ready": True})


def application(delay: float) -> web.Application:
    """Return the server, with this delay in seconds to begin with."""
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app[DELAY] = [delay]
    app.router.add_post("/v2/models/{model}/infer", infer)
    app.router.add_post("/v2/models/{model}/versions/{version}/infer", infer)
    app.router.add_post("/predict", predict)
    app.router.add_put("/delay", set_delay)
    app.router.add_get("/v2/health/ready", ready)
    return app


def main() -> None:
    """Serve on all addresses until SIGTERM."""
    port = int(os.environ.get("PORT", "8080"))
    web.run_app(application(float(os.environ.get("DELAY", "0.05"))), port=port, access_log=None)


if __name__ == "__main__":
    main()
