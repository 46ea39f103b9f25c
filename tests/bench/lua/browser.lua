-- Eleven headers as a browser sends them, about 700 bytes, and no two requests alike: target, cookies, referer, trace
-- and client hints all carry the request's number. 20,000 are written beforehand so that the load costs no more than a
-- table look-up per request; a proxy that remembers header blocks would have to remember all of them.
local here = debug.getinfo(1, "S").source:match("@(.*/)")
dofile(here .. "plain.lua")

local COUNT = 20000
local requests = {}
local at = 0

local function write(k)
  local id = string.format("%08x%08x", (k * 2654435761) % 4294967296, (k * 40503) % 4294967296)
  return table.concat({
    string.format("GET %s?item=%d&page=%d&ref=%s HTTP/1.1", wrk.path, k, k % 17, id),
    string.format("Host: shop%d.example.com", k % 50),
    string.format("User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.%d.%d Safari/537.36",
      100 + k % 40, k % 7000, k % 200),
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0." .. (k % 9 + 1),
    string.format("Accept-Language: de-CH,de;q=0.%d,en;q=0.%d", k % 9 + 1, k % 8 + 1),
    "Accept-Encoding: gzip, deflate, br;q=0." .. (k % 9 + 1),
    string.format("Cookie: session=%s%s; theme=dark; _ga=GA1.2.%d.17%08d", id, id, k * 31 % 1000000007, k),
    string.format("Referer: https://shop%d.example.com/list/%d?sort=price", k % 50, k),
    "Sec-Fetch-Mode: navigate; n=" .. k,
    "Upgrade-Insecure-Requests: " .. k,
    string.format("X-Request-Id: %s-%06d", id, k),
    string.format("If-None-Match: \"%s\"", id),
    "", "",
  }, "\r\n")
end

function init()
  for k = 1, COUNT do requests[k] = write(k) end
end

function request()
  at = at % COUNT + 1
  return requests[at]
end
