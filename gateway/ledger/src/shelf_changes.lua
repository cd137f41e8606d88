-- Documents that changed after a version, the oldest change first.
-- KEYS: documents, their order, version, epoch. ARGV: version, most documents, an epoch if there is none yet.
-- Answers epoch, version, and name, version, document of each.
local epoch = redis.call('GET', KEYS[4])
if not epoch then
  epoch = ARGV[3]
  redis.call('SET', KEYS[4], epoch)
end
local out = {epoch, redis.call('GET', KEYS[3]) or '0'}
local changed = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for at = 1, #changed, 2 do
  out[#out + 1] = changed[at]
  out[#out + 1] = changed[at + 1]
  out[#out + 1] = redis.call('HGET', KEYS[1], changed[at]) or ''
end
return out
