-- Replaces estimates by what was used, and frees what is held. May be repeated: the lease is settled once.
-- KEYS and ARGV as in reserve.lua, without the least, with the correction (used - reserved) where the wanted amount stood, and for the ttl: 1 if
-- there is no lease, and the corrections are amounts to count: then a repetition counts them again.
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local first = redis.call('DEL', KEYS[1]) == 1 or ARGV[2] == '1'
local whole = function(number) return string.format('%.0f', number) end
for i = 1, #KEYS - 1 do
  local key, at = KEYS[i + 1], 2 + (i - 1) * 4
  local kind, limit, change, window = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  if kind == 'h' then
    redis.call('ZREM', key, ARGV[1])
  elseif first and change ~= 0 then
    if kind == 'r' then
      local state = redis.call('HMGET', key, 'level', 'at')
      local level = tonumber(state[1] or '0')
      level = math.max(0, level - math.max(0, now_us - tonumber(state[2] or '0')) * limit / window)
      level = math.max(0, level + change)
      redis.call('HSET', key, 'level', string.format('%.17g', level), 'at', whole(now_us))
      -- A debt beyond the window is paid off in its own time.
      redis.call('PEXPIRE', key, whole(math.ceil(math.max(window, level * window / limit) / 1000) + 1000))
    elseif change > 0 or redis.call('EXISTS', key) == 1 then
      local spent = tonumber(redis.call('GET', key) or '0')
      redis.call('INCRBY', key, whole(math.max(change, -spent)))
      redis.call('PEXPIREAT', key, whole(window + 86400000))
    end
  end
end
return first and 1 or 0
