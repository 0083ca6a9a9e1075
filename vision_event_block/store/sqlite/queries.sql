-- Every statement of the store. `:now` is the time of day, `:ticks` counts from the start of the machine;
-- one moment for a whole transaction.

-- name: insert_event
INSERT INTO event (id, destination, credential, state, event_type, use_case, captured_at, recorded_at, settled_at, body)
VALUES (:id, :destination, :credential, :state, :event_type, :use_case, :captured_at, :now, :settled_at, :body)
ON CONFLICT (id) DO NOTHING;

-- name: replace_event
-- Whoever is delivering what it replaces loses the lease, so that this is delivered after all.
UPDATE event
SET destination = :destination, credential = :credential, state = :state, event_type = :event_type,
    use_case = :use_case, captured_at = :captured_at, settled_at = :settled_at, body = :body,
    due = 0, attempts = 0, lease_token = NULL, lease_until = 0, reason = ''
WHERE id = :id;

-- name: met
SELECT seq, state, body, destination FROM event WHERE id = :id;

-- name: use_case_met
INSERT INTO use_case (id, name, created_at, updated_at) VALUES (:use_case, :use_case, :now, :now)
ON CONFLICT (id) DO NOTHING;

-- name: insert_image
INSERT INTO image (sha256, content_type, width, height, segment, start, size, data)
VALUES (:sha256, :content_type, :width, :height, :segment, :start, :size, :data);

-- name: upload_image
UPDATE image
SET keep_until = max(keep_until, :keep_until), name = coalesce(:name, name), metadata = coalesce(:metadata, metadata)
WHERE sha256 = :sha256;

-- name: last_segment
SELECT number, size FROM segment ORDER BY number DESC LIMIT 1;

-- name: add_segment
INSERT INTO segment (number) VALUES (:number);

-- name: grow_segment
UPDATE segment SET size = :size WHERE number = :number;

-- name: dead_segments
SELECT number FROM segment WHERE alive = 0 AND size > 0;

-- name: delete_segment
DELETE FROM segment WHERE number = :number;

-- name: sparse_segment
SELECT number FROM segment
WHERE alive > 0 AND alive < size * :share AND number < (SELECT max(number) FROM segment)
ORDER BY CAST(alive AS REAL) / size LIMIT 1;

-- name: images_in
SELECT rowid, segment, start, size FROM image WHERE segment = :segment;

-- name: move_image
UPDATE image SET segment = :segment, start = :start WHERE rowid = :row;

-- name: segments
SELECT number, size FROM segment;

-- name: segment_bytes
SELECT coalesce(sum(size), 0) FROM segment;

-- name: has_image
SELECT 1 FROM image WHERE sha256 = :sha256;

-- name: insert_event_image
INSERT INTO event_image (event_seq, position, role, sha256) VALUES (:seq, :position, :role, :sha256);

-- name: delete_event_images
DELETE FROM event_image WHERE event_seq = :seq;

-- name: insert_class
INSERT INTO event_class (class, event_seq) VALUES (:class, :seq);

-- name: delete_classes
DELETE FROM event_class WHERE event_seq = :seq;

-- name: count
INSERT INTO tally (name, number) VALUES (:name, :number)
ON CONFLICT (name) DO UPDATE SET number = number + excluded.number;

-- name: kept
SELECT number FROM tally WHERE name = 'kept';

-- name: claim
-- A due time or a lease further ahead than any we make comes from a clock that was wrong.
WITH uploading (sha256) AS (
    SELECT sha256
    FROM event JOIN event_image ON event_seq = seq
    WHERE lease_token IS NOT NULL AND lease_until > :ticks AND lease_until <= :ticks + :horizon
      AND destination = :destination AND credential = :credential
    EXCEPT
    SELECT sha256 FROM upload WHERE destination = :destination AND credential = :credential
      AND sha256 IN (SELECT sha256 FROM event JOIN event_image ON event_seq = seq WHERE lease_token IS NOT NULL)
),
claimable (seq) AS NOT MATERIALIZED (
    SELECT seq FROM event AS candidate
    WHERE state = 'pending' AND destination = :destination AND credential = :credential
      AND (due <= :ticks OR due > :ticks + :horizon)
      AND (lease_until <= :ticks OR lease_until > :ticks + :horizon)
      AND NOT EXISTS (
          SELECT 1 FROM event_image WHERE event_seq = candidate.seq AND sha256 IN (SELECT sha256 FROM uploading)
      )
)
-- From both ends: neither does a backlog hold up what happens now, nor is it left behind.
UPDATE event SET lease_token = :token, lease_until = :ticks + :lease
WHERE seq IN (
    SELECT seq FROM (SELECT seq FROM claimable ORDER BY seq LIMIT (:limit + 1) / 2)
    UNION
    SELECT seq FROM (SELECT seq FROM claimable ORDER BY seq DESC LIMIT :limit / 2)
)
RETURNING seq, id, use_case, body, attempts;

-- name: grant
UPDATE event SET lease_token = :token, lease_until = :until WHERE seq = :seq;

-- name: another_boot
UPDATE boot SET id = :id WHERE id <> :id;

-- name: forget_ticks
-- They count from an earlier start of the machine.
UPDATE event SET due = 0, lease_token = NULL, lease_until = 0
WHERE state = 'pending' AND (due > 0 OR lease_token IS NOT NULL);

-- name: images_of
SELECT position, role, sha256 FROM event_image WHERE event_seq = :seq;

-- name: images_of_id
SELECT position, role, sha256 FROM event JOIN event_image ON event_seq = seq WHERE id = :id;

-- name: settle
UPDATE event
SET state = :state, reason = :reason, due = :ticks + :due_in, attempts = attempts + :counts,
    settled_at = CASE :state WHEN 'pending' THEN NULL ELSE :now END,
    lease_token = NULL, lease_until = 0
WHERE seq = :seq AND lease_token = :token AND state = 'pending'
RETURNING recorded_at;

-- name: happened
INSERT INTO history (event_seq, what, words, first_at, last_at) VALUES (:seq, :what, :words, :now, :now)
ON CONFLICT (event_seq, what, words) DO UPDATE SET last_at = excluded.last_at, times = times + 1;

-- name: forget_early_history
DELETE FROM history WHERE event_seq = :seq AND last_at < (
    SELECT last_at FROM history WHERE event_seq = :seq ORDER BY last_at DESC LIMIT 1 OFFSET :kept
);

-- name: history
SELECT what, words, first_at, last_at, times FROM event JOIN history ON event_seq = seq
WHERE id = :id ORDER BY last_at, first_at;

-- name: latency
INSERT INTO latency (seconds, number, total) VALUES (:seconds, 1, :took)
ON CONFLICT (seconds) DO UPDATE SET number = number + 1, total = total + excluded.total;

-- name: latencies
SELECT seconds, number, total FROM latency ORDER BY seconds;

-- name: held
SELECT seq FROM event WHERE lease_token = :token;

-- name: release
UPDATE event SET lease_token = NULL, lease_until = 0 WHERE lease_token = :token;

-- name: renew
UPDATE event SET lease_until = :until WHERE lease_token = :token;

-- name: image
SELECT content_type, width, height, name, metadata, segment, start, size, data FROM image WHERE sha256 = :sha256;

-- name: source_id
SELECT source_id FROM upload
WHERE sha256 = :sha256 AND destination = :destination AND credential = :credential;

-- name: uploaded
INSERT INTO upload (sha256, destination, credential, source_id)
VALUES (:sha256, :destination, :credential, :source_id)
ON CONFLICT (sha256, destination, credential) DO UPDATE SET source_id = excluded.source_id;

-- name: routes
-- A loose index scan: one step per route, however many events are pending.
WITH RECURSIVE route (destination, credential) AS (
    SELECT destination, credential FROM (
        SELECT destination, credential FROM event WHERE state = 'pending'
        ORDER BY destination, credential LIMIT 1)
    UNION ALL
    SELECT following.destination, following.credential FROM route JOIN event AS following
    ON following.seq = (
        SELECT seq FROM event WHERE state = 'pending'
          AND (destination, credential) > (route.destination, route.credential)
        ORDER BY destination, credential LIMIT 1)
)
SELECT destination, credential, coalesce(failures, 0), coalesce(open_until, 0), coalesce(reason, '')
FROM route LEFT JOIN circuit USING (destination, credential);

-- name: circuit
SELECT failures, open_until, reason FROM circuit WHERE destination = :destination AND credential = :credential;

-- name: trip
INSERT INTO circuit (destination, credential, failures, open_until, reason)
VALUES (:destination, :credential, :failures, :open_until, :reason)
ON CONFLICT (destination, credential) DO UPDATE
SET failures = excluded.failures, open_until = excluded.open_until, reason = excluded.reason;

-- name: close_circuit
DELETE FROM circuit WHERE destination = :destination AND credential = :credential;

-- name: next_due
SELECT min(max(CASE WHEN due > :ticks + :horizon THEN 0 ELSE due END,
               CASE WHEN lease_until > :ticks + :horizon THEN 0 ELSE lease_until END))
FROM (SELECT due, lease_until FROM event
      WHERE state = 'pending' AND destination = :destination AND credential = :credential
      ORDER BY seq LIMIT 1000);

-- name: state
SELECT state, reason FROM event WHERE id = :id;

-- name: tally
SELECT name, number FROM tally;

-- name: oldest_pending
SELECT recorded_at FROM event WHERE state = 'pending' ORDER BY seq LIMIT 1;

-- name: retry
UPDATE event SET state = 'pending', reason = '', due = 0, attempts = 0, settled_at = NULL, recorded_at = recorded_at
WHERE state = 'rejected' AND (:id IS NULL OR id = :id)
RETURNING seq;

-- name: hurry
UPDATE event SET due = 0 WHERE state = 'pending' AND id = :id;

-- name: hurry_all
UPDATE event SET due = 0 WHERE state = 'pending' AND due > 0;

-- name: close_circuits
DELETE FROM circuit;

-- name: reroute
-- What somebody is delivering just now is left to them.
UPDATE event SET destination = :destination, credential = :credential, due = 0
WHERE state = 'pending' AND destination = :old_destination AND credential = :old_credential
  AND (lease_until <= :ticks OR lease_until > :ticks + :horizon);

-- name: ids_like
SELECT id FROM event WHERE id >= :prefix AND id < :prefix || char(1114111) ORDER BY id LIMIT :limit;

-- name: use_case_counts
SELECT use_case, sum(state = 'pending'), sum(state = 'delivered'), sum(state = 'rejected'), max(captured_at), coalesce((
    SELECT reason FROM event AS late WHERE late.state = 'rejected' AND late.use_case = event.use_case
    ORDER BY captured_at DESC LIMIT 1), '')
FROM event GROUP BY use_case ORDER BY use_case;

-- name: switch
UPDATE switch SET is_on = :is_on, changed_at = :now WHERE name = :name AND is_on <> :is_on;

-- name: switched
SELECT is_on, changed_at FROM switch WHERE name = :name;

-- name: prunable_by_age
SELECT seq FROM event WHERE state = 'delivered' AND settled_at < :before ORDER BY settled_at LIMIT :limit;

-- name: prunable
SELECT seq FROM event WHERE state = 'delivered' ORDER BY settled_at LIMIT :limit;

-- name: delete_event
DELETE FROM event WHERE seq = :seq;

-- name: delete_orphans
-- Images of a deleted event that no other event uses and nobody has just uploaded.
DELETE FROM image WHERE sha256 = :sha256 AND keep_until < :now
  AND NOT EXISTS (SELECT 1 FROM event_image WHERE event_image.sha256 = image.sha256);

-- name: delete_unclaimed
-- Uploaded images whose event never came.
DELETE FROM image WHERE sha256 IN (
    SELECT sha256 FROM image WHERE keep_until > 0 AND keep_until < :now
      AND NOT EXISTS (SELECT 1 FROM event_image WHERE event_image.sha256 = image.sha256)
    LIMIT :limit
);

-- name: settle_claimed
UPDATE image SET keep_until = 0 WHERE keep_until > 0 AND keep_until < :now;

-- name: found
SELECT seq, id, state, event_type, use_case, captured_at, recorded_at, settled_at, reason, attempts, body,
       destination, credential
FROM event

-- name: over_time
SELECT CAST((captured_at - :since) / :step AS INTEGER), event_type, count(*)
FROM event INDEXED BY event_captured WHERE captured_at >= :since AND captured_at < :until GROUP BY 1, 2;

-- name: classes
-- A loose index scan: one step per class, however many events show it.
WITH RECURSIVE name (class) AS (
    SELECT min(class) FROM event_class
    UNION ALL
    SELECT (SELECT min(class) FROM event_class WHERE class > name.class) FROM name WHERE class IS NOT NULL
)
SELECT class FROM name WHERE class IS NOT NULL LIMIT :limit;

-- name: event_metadata
SELECT DISTINCT key, type FROM event, json_each(body, '$.customMetadata') WHERE use_case = :use_case ORDER BY 1, 2;

-- name: image_metadata
SELECT DISTINCT entry.key, entry.type
FROM event JOIN event_image ON event_seq = seq JOIN image USING (sha256), json_each(metadata) AS entry
WHERE use_case = :use_case AND metadata IS NOT NULL ORDER BY 1, 2;

-- name: use_cases
SELECT id, name, is_active, created_at, updated_at FROM use_case WHERE (:id IS NULL OR id = :id)
  AND (:is_active IS NULL OR is_active = :is_active) ORDER BY created_at, id;

-- name: add_use_case
INSERT INTO use_case (id, name, created_at, updated_at) VALUES (:id, :name, :now, :now) ON CONFLICT (id) DO NOTHING;

-- name: same_name
SELECT 1 FROM use_case WHERE name = :name COLLATE NOCASE AND id <> :id;

-- name: change_use_case
UPDATE use_case SET name = coalesce(:name, name), is_active = coalesce(:is_active, is_active), updated_at = :now
WHERE id = :id;

-- name: dropped
SELECT seq, state FROM event WHERE id = :id AND (:use_case IS NULL OR use_case = :use_case);

-- name: salvage_event_after
-- Along the table and not along an index, which may be damaged elsewhere.
SELECT seq, id, destination, credential, body FROM event NOT INDEXED
WHERE seq > :place AND (state <> 'delivered' OR destination = :here) ORDER BY seq LIMIT 1;

-- name: salvage_event_before
SELECT seq, id, destination, credential, body FROM event NOT INDEXED
WHERE seq < :place AND (state <> 'delivered' OR destination = :here) ORDER BY seq DESC LIMIT 1;

-- name: salvage_image_after
SELECT rowid, sha256 FROM image NOT INDEXED WHERE rowid > :place ORDER BY rowid LIMIT 1;

-- name: salvage_image_before
SELECT rowid, sha256 FROM image NOT INDEXED WHERE rowid < :place ORDER BY rowid DESC LIMIT 1;

-- name: salvage_image
SELECT content_type, width, height, segment, start, size, data FROM image NOT INDEXED WHERE rowid = :place;

-- name: salvage_images_of
SELECT position, role, sha256 FROM event_image INDEXED BY event_image_by_image WHERE event_seq = :seq;
