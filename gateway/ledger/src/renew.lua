-- Keeps a lease that is in use. KEYS: lease, then one for each held limit. ARGV: lease id, ttl ms.
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local ttl = tonumber(ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
for i = 2, #KEYS do
  redis.call('ZADD', KEYS[i], 'XX', string.format('%.0f', now_ms + ttl), ARGV[1])
  redis.call('PEXPIRE', KEYS[i], string.format('%.0f', ttl * 2))
end
return 1
