// @ts-check
/** Numbers that changed hands. */

export const NUMBERS = `
-- Numbers that a person had and has no more: the conversation of that name is nobody's now.
CREATE TABLE former_numbers (phone TEXT PRIMARY KEY) WITHOUT ROWID;
`;
