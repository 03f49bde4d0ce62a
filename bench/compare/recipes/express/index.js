// Express and multer-s3, one process: the file goes from the request to the store as it comes in.
const crypto = require('node:crypto')
const { S3Client } = require('@aws-sdk/client-s3')
const express = require('express')
const multer = require('multer')
const multerS3 = require('multer-s3')

const { BENCH_BUCKET, BENCH_ENDPOINT, BENCH_PORT, BENCH_SECRET } = process.env
const s3 = new S3Client({
  endpoint: BENCH_ENDPOINT,
  region: process.env.AWS_DEFAULT_REGION,
  forcePathStyle: true
})

const sameSecret = (given) =>
  given.length === BENCH_SECRET.length &&
  crypto.timingSafeEqual(Buffer.from(given), Buffer.from(BENCH_SECRET))

const refusal = Object.assign(new Error('wrong secret'), { status: 403 })
const upload = multer({
  fileFilter: (request, file, done) =>
    sameSecret(request.body.callback_secret ?? '') ? done(null, true) : done(refusal),
  storage: multerS3({
    s3,
    bucket: BENCH_BUCKET,
    contentType: (request, file, done) => done(null, file.mimetype),
    key: (request, file, done) => done(null, `screenshots/${request.body.token}.png`)
  })
})

const app = express()
app.get('/readyz', (request, response) => response.send('ok'))
app.post('/callbacks/shotbot', upload.single('file'), (request, response) => response.send('ok'))
app.listen(Number(BENCH_PORT), '127.0.0.1')
