"""The sink type ``s3``: any store that speaks S3."""
