-- An object store that keeps nothing: reads the body, waits as long as its listener says, answers
-- as S3 would. It counts what it answered, by bucket, so that nothing goes missing unseen.
local counts = ngx.shared.counts
local small = 1024 * 1024

local function read_and_drop()
  if (tonumber(ngx.var.content_length) or 0) <= small then
    ngx.req.read_body()
    return
  end
  local socket = ngx.req.socket()
  local data
  repeat
    data = socket:receiveany(small)
  until not data
end

local function xml(name, fields)
  local text = '<?xml version="1.0" encoding="UTF-8"?>\n<' .. name .. ">"
  for key, value in pairs(fields) do
    text = text .. "<" .. key .. ">" .. value .. "</" .. key .. ">"
  end
  ngx.header["Content-Type"] = "application/xml"
  return text .. "</" .. name .. ">"
end

local bucket, key = string.match(ngx.var.uri, "^/([^/]+)/(.+)$")
local method, query = ngx.req.get_method(), ngx.req.get_uri_args()
local etag = '"d41d8cd98f00b204e9800998ecf8427e"'
local body, object = "", false

read_and_drop()
-- nginx itself would take it for a question whether its answer is new, and say 304.
ngx.req.clear_header("If-None-Match")
if method == "PUT" then
  ngx.header["ETag"] = etag
  object = not query.partNumber
elseif method == "POST" and query.uploads then
  body = xml("InitiateMultipartUploadResult", { Bucket = bucket, Key = key, UploadId = "1" })
elseif method == "POST" and query.uploadId then
  body = xml("CompleteMultipartUploadResult", { Bucket = bucket, Key = key, ETag = etag })
  object = true
elseif method == "GET" or method == "HEAD" then
  ngx.status = 404
end
local latency = tonumber(ngx.var.latency_ms)
if latency > 0 then
  ngx.sleep(latency / 1000)
end
if bucket then
  counts:incr(bucket .. ":requests", 1, 0)
  if object then
    ngx.update_time()
    counts:set(bucket .. ":last", ngx.now())
    counts:incr(bucket .. ":objects", 1, 0)
  end
end
ngx.header["x-amz-request-id"] = "0123456789ABCDEF"
ngx.header["Content-Length"] = #body
ngx.print(body)
