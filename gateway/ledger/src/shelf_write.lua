-- Puts a document in the place of the revision that the writer knows.
-- KEYS: documents, their order, version. ARGV: name, known revision (0: none), new revision, text, most documents.
-- Answers {1} if it was put there, now or by the same call before, {0} if another revision stands there, {2} if there is no room.
local old = redis.call('HGET', KEYS[1], ARGV[1])
local known = '0'
if old then known = string.match(old, '^%d+') end
if known ~= ARGV[2] then
  -- A writer that heard no answer asks again: what it wrote stands.
  if old == ARGV[3] .. ' ' .. ARGV[4] then return 1 end
  return 0
end
if not old and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then return 2 end
local version = redis.call('INCR', KEYS[3])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3] .. ' ' .. ARGV[4])
redis.call('ZADD', KEYS[2], version, ARGV[1])
return 1
