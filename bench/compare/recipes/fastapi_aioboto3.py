"""The same in asyncio: FastAPI and aioboto3 under uvicorn, one process."""

# mypy: ignore-errors
# Its libraries live in the benchmark's own environment, where no types are checked.

import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import aioboto3
from botocore.config import Config
from fastapi import FastAPI, Form, HTTPException, UploadFile

SECRET = os.environ["BENCH_SECRET"]
BUCKET = os.environ["BENCH_BUCKET"]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    client = aioboto3.Session().client(
        "s3",
        endpoint_url=os.environ["BENCH_ENDPOINT"],
        verify=os.environ["BENCH_CA"],
        # The default of 10 connections would be what is measured at 100 ms of latency.
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=64),
    )
    async with client as app.state.s3:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/readyz")
async def readyz() -> str:
    return "ok"


@app.post("/callbacks/shotbot")
async def callback(
    file: UploadFile, callback_secret: Annotated[str, Form()], token: Annotated[str, Form()]
) -> str:
    if not hmac.compare_digest(callback_secret, SECRET):
        raise HTTPException(403)
    await app.state.s3.put_object(
        Bucket=BUCKET,
        Key=f"screenshots/{token}.png",
        Body=file.file,
        ContentType=file.content_type,
    )
    return "ok"
