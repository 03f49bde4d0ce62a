"""What boto3's ``put_object`` costs alone: prints milliseconds of CPU a put.

``python put_object.py COUNT IN_FLIGHT DIRECTORY`` puts the files of DIRECTORY over and over, as
many at once as there are threads.
"""

# mypy: ignore-errors
# Its libraries live in the benchmark's own environment, where no types are checked.

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config

count, in_flight = map(int, sys.argv[1:3])
files = sorted(Path(sys.argv[3]).iterdir())
s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["BENCH_ENDPOINT"],
    verify=os.environ["BENCH_CA"],
    config=Config(s3={"addressing_style": "path"}),
)


def put(number: int) -> None:
    s3.put_object(
        Bucket=os.environ["BENCH_BUCKET"],
        Key=f"screenshots/{number}.png",
        Body=files[number % len(files)].read_bytes(),
        ContentType="image/png",
    )


with ThreadPoolExecutor(in_flight) as threads:
    list(threads.map(put, range(4 * in_flight)))
    began = time.process_time()
    list(threads.map(put, range(count)))
    print(1000 * (time.process_time() - began) / count)
