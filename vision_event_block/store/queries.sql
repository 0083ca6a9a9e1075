-- Every statement of the store. `:now` is the caller's clock; one moment for a whole transaction.

-- name: insert_event
INSERT INTO event (id, destination, credential, event_type, use_case, captured_at, recorded_at, body)
VALUES (:id, :destination, :credential, :event_type, :use_case, :captured_at, :now, :body)
ON CONFLICT (id) DO NOTHING;

-- name: insert_image
INSERT INTO image (sha256, content_type, width, height, data)
VALUES (:sha256, :content_type, :width, :height, :data)
ON CONFLICT (sha256) DO NOTHING;

-- name: insert_event_image
INSERT INTO event_image (event_seq, position, role, sha256) VALUES (:seq, :position, :role, :sha256);

-- name: count
UPDATE tally SET number = number + :number WHERE name = :name;

-- name: claim
-- A due time or a lease further ahead than any we make comes from a clock that was wrong.
WITH uploading (sha256) AS (
    SELECT sha256
    FROM event JOIN event_image ON event_seq = seq
    WHERE lease_token IS NOT NULL AND lease_until > :now AND lease_until <= :now + :horizon
      AND destination = :destination AND credential = :credential
    EXCEPT
    SELECT sha256 FROM upload WHERE destination = :destination AND credential = :credential
      AND sha256 IN (SELECT sha256 FROM event JOIN event_image ON event_seq = seq WHERE lease_token IS NOT NULL)
)
UPDATE event SET lease_token = :token, lease_until = :now + :lease
WHERE seq IN (
    SELECT seq FROM event AS candidate
    WHERE state = 'pending' AND destination = :destination AND credential = :credential
      AND (due <= :now OR due > :now + :horizon)
      AND (lease_until <= :now OR lease_until > :now + :horizon)
      AND NOT EXISTS (
          SELECT 1 FROM event_image WHERE event_seq = candidate.seq AND sha256 IN (SELECT sha256 FROM uploading)
      )
    ORDER BY seq LIMIT :limit
)
RETURNING seq, id, use_case, body, attempts;

-- name: images_of
SELECT position, role, sha256 FROM event_image WHERE event_seq = :seq;

-- name: images_of_id
SELECT position, role, sha256 FROM event JOIN event_image ON event_seq = seq WHERE id = :id;

-- name: settle
UPDATE event
SET state = :state, reason = :reason, due = :now + :due_in, attempts = attempts + :counts,
    settled_at = CASE :state WHEN 'pending' THEN NULL ELSE :now END,
    lease_token = NULL, lease_until = 0
WHERE seq = :seq AND lease_token = :token AND state = 'pending';

-- name: release
UPDATE event SET lease_token = NULL, lease_until = 0 WHERE lease_token = :token;

-- name: renew
UPDATE event SET lease_until = :until WHERE lease_token = :token;

-- name: image
SELECT data, content_type FROM image WHERE sha256 = :sha256;

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

-- name: trip
INSERT INTO circuit (destination, credential, failures, open_until, reason)
VALUES (:destination, :credential, :failures, :open_until, :reason)
ON CONFLICT (destination, credential) DO UPDATE
SET failures = excluded.failures, open_until = excluded.open_until, reason = excluded.reason;

-- name: close_circuit
DELETE FROM circuit WHERE destination = :destination AND credential = :credential;

-- name: next_due
SELECT min(max(CASE WHEN due > :now + :horizon THEN 0 ELSE due END,
               CASE WHEN lease_until > :now + :horizon THEN 0 ELSE lease_until END))
FROM (SELECT due, lease_until FROM event
      WHERE state = 'pending' AND destination = :destination AND credential = :credential
      ORDER BY seq LIMIT 1000);

-- name: state
SELECT state, reason FROM event WHERE id = :id;

-- name: tally
SELECT name, number FROM tally;

-- name: oldest_pending
SELECT recorded_at FROM event WHERE state = 'pending' ORDER BY seq LIMIT 1;

-- name: events
SELECT id, state, event_type, use_case, captured_at, recorded_at, reason, body,
       (SELECT count(*) FROM event_image WHERE event_seq = seq)
FROM event ORDER BY seq DESC LIMIT :limit;

-- name: prunable_by_age
SELECT seq FROM event WHERE state = 'delivered' AND settled_at < :before ORDER BY settled_at LIMIT :limit;

-- name: prunable
SELECT seq FROM event WHERE state = 'delivered' ORDER BY settled_at LIMIT :limit;

-- name: delete_event
DELETE FROM event WHERE seq = :seq;

-- name: delete_orphans
-- Images of a deleted event that no other event uses.
DELETE FROM image WHERE sha256 = :sha256 AND NOT EXISTS (SELECT 1 FROM event_image WHERE event_image.sha256 = image.sha256);
