-- Intents that wait, by account: when many are due they are picked in turn, some of each account, so that one account's
-- backlog keeps nobody else's waiting.
CREATE INDEX intent_turn ON intent (account, due_ms) WHERE status IN ('deferred', 'pending');
