-- Closed-loop load: posts one file as JSON and prints what happened as one line of JSON.
-- wrk … -s wrk.lua URL -- BODY_FILE

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.body = file:read("*a")
  file:close()
end

function done(summary, latency)
  local failures = summary.errors
  print(string.format(
    'JSON {"answered": %d, "seconds": %.6f, "failed": %d, "p50": %.1f, "p99": %.1f}',
    summary.requests - failures.status,
    summary.duration / 1e6,
    failures.connect + failures.read + failures.write + failures.status + failures.timeout,
    latency:percentile(50),
    latency:percentile(99)
  ))
end
