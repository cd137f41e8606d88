-- Takes from many limits at once, all or nothing.
-- KEYS: lease, then one for each limit. ARGV: lease id, lease ttl ms, then for each limit: kind, amount, wanted, window, least.
-- Kinds: r rolling (window in us), c calendar (window: end of the period, Unix ms), h held (window unused).
-- Least: what must fit; of the rest as much as remains is taken. -1: nothing need fit, all is taken.
-- Answers {1, now_us, remaining, reset_us, taken, ...} or {0, now_us, which, wait_us (-1: time alone does not help), remaining, reset_us}.
-- Numbers are doubles, exact to 2^53; levels of rolling limits are fractions of one unit at worst 1e-6 off.
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = math.floor(now_us / 1000)
local lease, ttl = ARGV[1], tonumber(ARGV[2])
local whole = function(number) return string.format('%.0f', number) end
local levels, wants = {}, {}
local count = #KEYS - 1
for i = 1, count do
  local key, at = KEYS[i + 1], 2 + (i - 1) * 5
  local kind, limit, want, window = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local least = tonumber(ARGV[at + 5])
  local level, wait, reset = 0, -1, 0
  if kind == 'r' then
    local state = redis.call('HMGET', key, 'level', 'at')
    level = tonumber(state[1] or '0')
    level = math.max(0, level - math.max(0, now_us - tonumber(state[2] or '0')) * limit / window)
    wait = math.ceil((level + least - limit) * window / limit)
    reset = math.ceil(level * window / limit)
  elseif kind == 'c' then
    level = tonumber(redis.call('GET', key) or '0')
    wait = window * 1000 - now_us
    reset = level > 0 and wait or 0
  else
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now_ms)
    level = redis.call('ZCARD', key)
  end
  if least >= 0 and level + least > limit + 1e-6 then
    if least > limit then wait = -1 end
    return {0, whole(now_us), i, whole(wait), whole(math.max(0, math.floor(limit - level + 1e-6))), whole(reset)}
  end
  levels[i] = level
  wants[i] = want
  if least >= 0 then wants[i] = math.min(want, math.max(least, math.floor(limit - level + 1e-6))) end
end
local answer = {1, whole(now_us)}
for i = 1, count do
  local key, at, want = KEYS[i + 1], 2 + (i - 1) * 5, wants[i]
  local kind, limit, window = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 4])
  local level, reset = levels[i] + want, 0
  if kind == 'r' then
    redis.call('HSET', key, 'level', string.format('%.17g', level), 'at', whole(now_us))
    -- A debt beyond the window is paid off in its own time.
    redis.call('PEXPIRE', key, whole(math.ceil(math.max(window, level * window / limit) / 1000) + 1000))
    reset = math.ceil(level * window / limit)
  elseif kind == 'c' then
    redis.call('INCRBY', key, whole(want))
    -- A day longer: what was reserved in the period may be settled after it.
    redis.call('PEXPIREAT', key, whole(window + 86400000))
    reset = window * 1000 - now_us
  else
    redis.call('ZADD', key, whole(now_ms + ttl), lease)
    redis.call('PEXPIRE', key, whole(ttl * 2))
  end
  answer[#answer + 1] = whole(math.max(0, math.floor(limit - level + 1e-6)))
  answer[#answer + 1] = whole(reset)
  answer[#answer + 1] = whole(want)
end
redis.call('SET', KEYS[1], '1', 'PX', whole(ttl))
return answer
