// @ts-check
/** When messages leave, and which sends write to a chat for the first time: what the caps count. */

export const PACE = `
-- Unix milliseconds: when it was handed over last, or was about to be. Null: never.
ALTER TABLE parts ADD COLUMN left_at INTEGER;
CREATE INDEX parts_by_leaving ON parts (left_at) WHERE left_at IS NOT NULL;

-- When it was accepted as the first one to a chat that had never been written to, and no reply. Null: it is none of these.
ALTER TABLE sends ADD COLUMN opened_at INTEGER;
CREATE INDEX sends_by_opening ON sends (opened_at) WHERE opened_at IS NOT NULL;

-- What the older store has sent, or may have, has left.
UPDATE parts SET left_at = COALESCE(settled_at, (SELECT created_at FROM sends WHERE id = send)) WHERE state = 'sent' OR state = 'pending';
`;
