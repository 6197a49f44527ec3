// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { TIMING } from "../src/timing.mjs";
import { ids, inbound } from "./support/bridge.mjs";
import { ANA, BEN, host, other, stand, story } from "./support/story.mjs";

const { leaseMs, retry1Ms, retry2Ms, retry3Ms, retry4Ms, retry5Ms, postponedMs } = TIMING;
const WAITS = [retry1Ms, retry2Ms, retry3Ms, retry4Ms, retry5Ms];

test("a plain caller's next question gives back what it left, and only the first counts an attempt", async (t) => {
  const { says, gets, rows, inbox, cursor, pass } = story(t);
  says(ANA, "A1", "A2", "A3");
  says(BEN, "B1");
  assert.deepEqual(ids(await gets()), ["A1", "A2", "A3", "B1"]);
  inbox.acknowledge(cursor("A1"));
  assert.deepEqual(ids(await gets()), ["B1"], "A2 waits for its next attempt, and A3 does not overtake it");
  assert.deepEqual(stand(rows()), { A1: "done 0", A2: "waiting 1", A3: "waiting 0", B1: "leased 0" });
  inbox.acknowledge(cursor("B1"));
  pass(retry1Ms);
  assert.deepEqual(ids(await gets()), ["A2", "A3"]);
});

test("a plain caller that completes its batch gives back the rest at once, the first of it counted", async (t) => {
  const { says, gets, rows, inbox } = story(t);
  says(ANA, "A1");
  says(BEN, "B1");
  await gets();
  inbox.completeBatch(null);
  assert.deepEqual(stand(rows()), { A1: "waiting 1", B1: "waiting 0" });
  assert.equal(rows().A1?.reason, "not_acknowledged");
  assert.deepEqual(ids(await gets()), ["B1"]);
});

test("a plain caller never touches what a named one holds", async (t) => {
  const { says, gets, rows, inbox } = story(t);
  says(ANA, "A1");
  await gets(host());
  says(BEN, "B1");
  assert.deepEqual(ids(await gets()), ["B1"]);
  inbox.completeBatch(null);
  await gets();
  assert.deepEqual(stand(rows()), { A1: "leased 0", B1: "waiting 1" });
});

test("a plain caller that asks for none keeps what it has", async (t) => {
  const { says, gets, rows } = story(t);
  says(ANA, "A1");
  await gets();
  assert.deepEqual(await gets({ max: 0, waitMs: 60_000 }), []);
  assert.deepEqual(stand(rows()), { A1: "leased 0" });
});

test("a plain caller may name what it still works on", async (t) => {
  const { says, gets, cursor } = story(t);
  says(ANA, "A1");
  await gets();
  says(ANA, "A2");
  says(BEN, "B1");
  assert.deepEqual(ids(await gets({ inFlight: [cursor("A1")] })), ["B1"]);
});

test("a plain caller that never comes back loses its batch after the lease, and counts as one failure", async (t) => {
  const { says, gets, rows, pass } = story(t);
  says(ANA, "A1", "A2");
  says(BEN, "B1");
  await gets();
  pass(leaseMs - 1);
  assert.deepEqual(await gets(host()), []);
  pass(1);
  assert.deepEqual(ids(await gets(host())), ["B1"]);
  assert.deepEqual(stand(rows()), { A1: "waiting 1", A2: "waiting 0", B1: "leased 0" });
});

test("a lease that runs out counts once a conversation, and the messages are handed out again", async (t) => {
  const { says, gets, rows, pass } = story(t);
  says(ANA, "A1", "A2");
  says(BEN, "B1");
  await gets(host());
  pass(leaseMs);
  assert.deepEqual(await gets(other), []);
  assert.deepEqual(stand(rows()), { A1: "waiting 1", A2: "waiting 0", B1: "waiting 1" });
  assert.equal(rows().A1?.reason, "lease_expired");
  pass(retry1Ms);
  assert.deepEqual(ids(await gets(other)), ["A1", "A2", "B1"]);
});

test("what a consumer names in flight stays with it, however long the answer takes", async (t) => {
  const { says, gets, rows, pass, cursor } = story(t);
  says(ANA, "A1");
  await gets(host());
  for (let round = 0; round < 10; round += 1) {
    pass(leaseMs - 1);
    assert.deepEqual(await gets({ ...host(), max: round % 2 === 0 ? 0 : 20, inFlight: [cursor("A1")] }), []);
    assert.deepEqual(await gets(other), [], "nobody else gets it");
  }
  assert.deepEqual(stand(rows()), { A1: "leased 0" });
});

test("a consumer cannot keep what another one holds", async (t) => {
  const { says, gets, rows, pass, cursor } = story(t);
  says(ANA, "A1");
  await gets(host());
  pass(leaseMs - 1);
  await gets({ ...other, inFlight: [cursor("A1")] });
  pass(1);
  await gets(other);
  assert.deepEqual(stand(rows()), { A1: "waiting 1" });
});

test("an answer that was lost on the way comes again at once, uncounted", async (t) => {
  const { says, gets, rows } = story(t);
  says(ANA, "A1");
  await gets(host());
  assert.deepEqual(ids(await gets({ ...host(), inFlight: [] })), ["A1"]);
  assert.deepEqual(stand(rows()), { A1: "leased 0" });
});

test("a consumer that says nothing of what it holds keeps it until the lease ends", async (t) => {
  const { says, gets, rows, pass } = story(t);
  says(ANA, "A1");
  await gets(host());
  says(ANA, "A2");
  pass(leaseMs - 1);
  assert.deepEqual(await gets({ ...host(), inFlight: null }), []);
  pass(1);
  await gets({ ...host(), inFlight: null });
  assert.deepEqual(stand(rows()), { A1: "waiting 1", A2: "waiting 0" });
});

test("a renewal takes nothing away: an answer may be on its way meanwhile", async (t) => {
  const { says, gets, rows } = story(t);
  says(ANA, "A1");
  await gets(host());
  assert.deepEqual(await gets({ ...host(), max: 0, inFlight: [] }), []);
  assert.deepEqual(stand(rows()), { A1: "leased 0" });
});

test("a new instance of a consumer frees what the old one held, uncounted", async (t) => {
  const { says, gets, rows, cursor } = story(t);
  says(ANA, "A1", "A2");
  await gets(host("1"));
  assert.deepEqual(ids(await gets({ ...host("2"), inFlight: [cursor("A1")] })), ["A1", "A2"], "it holds nothing of the old one's");
  assert.deepEqual(stand(rows()), { A1: "leased 0", A2: "leased 0" });
});

test("two consumers never hold the same message, nor the same conversation", async (t) => {
  const { says, gets, inbox, cursor } = story(t);
  says(ANA, "A1");
  assert.deepEqual(ids(await gets(host())), ["A1"]);
  says(ANA, "A2");
  says(BEN, "B1");
  assert.deepEqual(ids(await gets(other)), ["B1"]);
  inbox.acknowledge(cursor("A1"));
  assert.deepEqual(ids(await gets(other)), ["A2"]);
  assert.deepEqual(await gets({ ...host(), inFlight: null }), []);
});

test("a finished batch gives back its own messages only, the first counted", async (t) => {
  const { says, gets, rows, inbox } = story(t);
  says(ANA, "A1", "A2");
  says(BEN, "B1");
  const one = await inbox.receive({ waitMs: 0, max: 2, ...host(), inFlight: null, allowed: null });
  assert.deepEqual(ids(await gets({ ...host(), inFlight: null })), ["B1"]);
  inbox.completeBatch(one.batch);
  inbox.completeBatch("another");
  assert.deepEqual(stand(rows()), { A1: "waiting 1", A2: "waiting 0", B1: "leased 0" });
});

test("a message that is given back waits, its later ones come back with it, and no chat waits for it but its own", async (t) => {
  const { says, gets, rows, inbox, cursor, pass } = story(t);
  says(ANA, "A1", "A2", "A3");
  says(BEN, "B1");
  await gets(host());
  inbox.release(cursor("A2"), { counts: false, reason: "engine_down" });
  assert.deepEqual(stand(rows()), { A1: "leased 0", A2: "waiting 0", A3: "waiting 0", B1: "leased 0" });
  inbox.acknowledge(cursor("A1"));
  assert.deepEqual(await gets(other), [], "A3 must not overtake A2");
  pass(postponedMs);
  assert.deepEqual(ids(await gets(other)), ["A2", "A3"]);
});

test("giving back takes from its own holder only", async (t) => {
  const { says, gets, rows, inbox, cursor, store } = story(t);
  says(ANA, "A1", "A2");
  store.inbox.bury(rows().A1?.seq ?? 0, { at: 1, attempts: 6, reason: "no_answer" });
  assert.deepEqual(ids(await gets(other)), ["A2"]);
  inbox.retry(cursor("A1"));
  assert.deepEqual(ids(await gets(host())), ["A1"]);
  inbox.release(cursor("A1"), { counts: true, reason: "busy" });
  assert.deepEqual(stand(rows()), { A1: "waiting 1", A2: "leased 0" });
});

test("giving back what is not out any more changes nothing", async (t) => {
  const { says, gets, rows, inbox, cursor } = story(t);
  says(ANA, "A1");
  inbox.release(cursor("A1"), { counts: true, reason: "late" });
  await gets(host());
  inbox.acknowledge(cursor("A1"));
  inbox.release(cursor("A1"), { counts: true, reason: "late" });
  inbox.release("unknown", { counts: true, reason: "late" });
  assert.deepEqual(stand(rows()), { A1: "done 0" });
});

test("each counted attempt waits longer, and after the sixth the message is a dead letter while its neighbours go on", async (t) => {
  const { says, gets, rows, inbox, cursor, pass, died, clock } = story(t);
  says(ANA, "A1", "A2");
  says(BEN, "B1");
  for (const [attempt, wait] of WAITS.entries()) {
    const got = ids(await gets(host()));
    assert.deepEqual(got, attempt === 0 ? ["A1", "A2", "B1"] : ["A1", "A2"]);
    if (attempt === 0) inbox.acknowledge(cursor("B1"));
    inbox.release(cursor("A1"), { counts: true, reason: "no_answer" });
    pass(wait - 1);
    assert.deepEqual(await gets(host()), [], `attempt ${attempt + 1} waits ${wait} ms`);
    pass(1);
  }
  assert.deepEqual(died(), []);
  await gets(host());
  inbox.release(cursor("A1"), { counts: true, reason: "The engine said: no" });
  assert.deepEqual(died(), [{ event: "message_dead", chat: "contact …4567", cursor: cursor("A1"), attempts: 6, reason: "given_back" }]);
  const { A1 } = rows();
  assert.deepEqual([A1?.state, A1?.attempts, A1?.reason, A1?.ended_at, A1?.until], ["dead", 6, "The engine said: no", clock.at, null]);
  assert.match(String(A1?.body), /text of A1/);
  assert.deepEqual(ids(await gets(host())), ["A2"]);
});

test("uncounted releases never kill a message", async (t) => {
  const { says, gets, rows, inbox, cursor, pass } = story(t);
  says(ANA, "A1");
  for (let round = 0; round < 50; round += 1) {
    assert.deepEqual(ids(await gets(host())), ["A1"]);
    inbox.release(cursor("A1"), { counts: false, reason: "engine_down" });
    pass(postponedMs);
  }
  assert.deepEqual(stand(rows()), { A1: "waiting 0" });
});

test("a message that stock Loong cannot answer is parked, and everybody else is answered", async (t) => {
  const { says, gets, inbox, cursor, pass, died } = story(t);
  says(ANA, "poison", "A2");
  says(BEN, "B1", "B2");
  /** @type {string[]} */
  const answered = [];
  for (let round = 0; round < 100 && answered.length < 3; round += 1) {
    for (const id of ids(await gets())) {
      // It aborts a batch at the first error, and asks anew.
      if (id === "poison") break;
      inbox.acknowledge(cursor(id));
      answered.push(id);
    }
    pass(1_000 * (round + 1));
  }
  assert.deepEqual(answered, ["B1", "B2", "A2"]);
  assert.deepEqual(died().map(({ attempts, reason }) => [attempts, reason]), [[6, "not_acknowledged"]]);
});

test("a clock that is set back holds up neither a wait nor a lease, and counts against nobody", async (t) => {
  const { says, gets, rows, inbox, cursor, clock } = story(t);
  says(ANA, "A1");
  says(BEN, "B1");
  await gets(host());
  inbox.release(cursor("A1"), { counts: true, reason: "busy" });
  clock.at -= 86_400_000;
  assert.deepEqual(ids(await gets(other)), ["A1", "B1"]);
  assert.deepEqual(stand(rows()), { A1: "leased 1", B1: "leased 0" });
});

test("a clock that is set forward ends waits and leases, but not what its holder names", async (t) => {
  const { says, gets, rows, inbox, cursor, clock } = story(t);
  says(ANA, "A1");
  says(BEN, "B1");
  await gets(host());
  inbox.release(cursor("A1"), { counts: true, reason: "busy" });
  clock.at += 86_400_000;
  assert.deepEqual(ids(await gets({ ...host(), inFlight: [cursor("B1")] })), ["A1"]);
  assert.deepEqual(stand(rows()), { A1: "leased 1", B1: "leased 0" });
});

test("while the bridge is paused nothing is handed out, leases are renewed, and the end of the pause wakes", async (t) => {
  const pause = { active: false };
  const { says, gets, rows, inbox, cursor, pass } = story(t, { pause });
  says(ANA, "A1");
  await gets(host());
  pause.active = true;
  inbox.pauseChanged();
  says(BEN, "B1");
  assert.deepEqual(await gets(other), []);
  pass(leaseMs - 1);
  assert.deepEqual(await gets({ ...host(), inFlight: [cursor("A1")] }), []);
  pass(leaseMs - 1);
  const waiting = gets({ ...host(), inFlight: [cursor("A1")], waitMs: 60_000 });
  assert.deepEqual(stand(rows()), { A1: "leased 0", B1: "waiting 0" });
  pause.active = false;
  inbox.pauseChanged();
  assert.deepEqual(ids(await waiting), ["B1"]);
});

test("leases outlive the bridge: its consumer names them, and another one waits for their end", async (t) => {
  const before = story(t);
  before.says(ANA, "A1");
  before.says(BEN, "B1");
  await before.gets(host());
  const { gets, cursor, pass } = story(t, { dir: before.dir });
  assert.deepEqual(await gets(other), []);
  assert.deepEqual(ids(await gets({ ...host(), inFlight: [cursor("A1")] })), ["B1"]);
  pass(leaseMs);
  await gets(other);
  pass(retry1Ms);
  assert.deepEqual(ids(await gets(other)), ["A1", "B1"]);
});

test("a caller's own list keeps a chat from it, and makes no other wait", async (t) => {
  const { says, gets } = story(t);
  says(ANA, "A1", "A2");
  says(BEN, "B1");
  assert.deepEqual(ids(await gets({ ...host(), max: 1, allowed: [`+${BEN}`] })), ["B1"]);
  assert.deepEqual(ids(await gets(other)), ["A1", "A2"]);
});

for (const chats of [1, 1_000]) {
  test(`10,000 messages of ${chats} ${chats === 1 ? "chat" : "chats"} are all handed out, each chat's in order, around one that waits`, async (t) => {
    const { inbox, gets, store, cursor } = story(t);
    store.transaction(() => {
      for (let number = 0; number < 10_000; number += 1) inbox.accept(inbound(`${number}`, "x", `1555${1_000_000 + (number % chats)}`));
    });
    const [first] = await gets({ ...host(), max: 1 });
    inbox.release(first?.cursor ?? "", { counts: true, reason: "busy" });
    /** @type {Map<string, number>} */
    const last = new Map();
    let seen = 0;
    for (let rows = await gets({ ...host(), max: 100 }); rows.length > 0; rows = await gets({ ...host(), max: 100 })) {
      store.transaction(() => {
        for (const row of rows) {
          assert.ok(Number(row.message_id) > (last.get(row.conversation) ?? -1), `${row.message_id} overtook`);
          last.set(row.conversation, Number(row.message_id));
          inbox.acknowledge(row.cursor);
        }
      });
      seen += rows.length;
    }
    assert.equal(seen, chats === 1 ? 0 : 10_000 - 10, "the chat of the one that waits waits with it");
    inbox.drop(cursor("0"));
    for (let rows = await gets({ ...host(), max: 100 }); rows.length > 0; rows = await gets({ ...host(), max: 100 })) {
      store.transaction(() => rows.forEach((row) => inbox.acknowledge(row.cursor)));
      assert.deepEqual(ids(rows), ids(rows).toSorted((one, two) => Number(one) - Number(two)));
      seen += rows.length;
    }
    assert.equal(seen, 9_999);
    assert.deepEqual({ ...store.inbox.depth(), last_stored_at: 0 }, { waiting: 0, leased: 0, dead: 0, done: 10_000, last_stored_at: 0 });
  });
}
