"""The recipe: Flask and boto3, as people deploy it under gunicorn, 2 workers of 8 threads."""

# mypy: ignore-errors
# Its libraries live in the benchmark's own environment, where no types are checked.

import hmac
import os

import boto3
from botocore.config import Config
from flask import Flask, abort, request

SECRET = os.environ["BENCH_SECRET"]
BUCKET = os.environ["BENCH_BUCKET"]

app = Flask(__name__)
s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["BENCH_ENDPOINT"],
    verify=os.environ["BENCH_CA"],
    config=Config(s3={"addressing_style": "path"}),
)


@app.get("/readyz")
def readyz() -> str:
    return "ok"


@app.post("/callbacks/shotbot")
def callback() -> str:
    if not hmac.compare_digest(request.form.get("callback_secret", ""), SECRET):
        abort(403)
    file = request.files["file"]
    s3.put_object(
        Bucket=BUCKET,
        Key=f"screenshots/{request.form['token']}.png",
        Body=file,
        ContentType=file.mimetype,
    )
    return "ok"
