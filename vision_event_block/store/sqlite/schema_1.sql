-- Version 1. A later version adds a file of statements to run after this one, schema_2.sql; none of these changes.

CREATE TABLE event (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    destination  TEXT NOT NULL,
    credential   TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'rejected')),
    event_type   TEXT NOT NULL,
    use_case     TEXT NOT NULL,
    captured_at  REAL NOT NULL,
    recorded_at  REAL NOT NULL,
    settled_at   REAL,
    due          REAL NOT NULL DEFAULT 0,
    attempts     INTEGER NOT NULL DEFAULT 0,
    lease_token  TEXT,
    lease_until  REAL NOT NULL DEFAULT 0,
    reason       TEXT NOT NULL DEFAULT '',
    body         TEXT NOT NULL
);
CREATE INDEX event_pending ON event (destination, credential, seq) WHERE state = 'pending';
CREATE INDEX event_leased ON event (lease_token) WHERE lease_token IS NOT NULL;
CREATE INDEX event_settled ON event (state, settled_at) WHERE state <> 'pending';
CREATE INDEX event_captured ON event (captured_at, event_type);
CREATE INDEX event_waiting ON event (captured_at) WHERE state = 'pending';
CREATE INDEX event_rejected ON event (captured_at) WHERE state = 'rejected';
CREATE INDEX event_of_use_case ON event (use_case, captured_at);

-- Large images lie one after the other in files of this number, as far as they are not deleted.
CREATE TABLE segment (
    number  INTEGER PRIMARY KEY,
    size    INTEGER NOT NULL DEFAULT 0,
    alive   INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE image (
    sha256        TEXT PRIMARY KEY,
    content_type  TEXT NOT NULL,
    width         INTEGER NOT NULL,
    height        INTEGER NOT NULL,
    name          TEXT,
    metadata      TEXT,
    -- An uploaded image waits until then for the event that shows it.
    keep_until    REAL NOT NULL DEFAULT 0,
    -- Either where it is in a segment, or the bytes themselves.
    segment       INTEGER REFERENCES segment (number),
    start         INTEGER,
    size          INTEGER NOT NULL,
    data          BLOB,
    CHECK ((segment IS NULL) = (data IS NOT NULL))
);
CREATE INDEX image_kept ON image (keep_until) WHERE keep_until > 0;
CREATE INDEX image_by_segment ON image (segment) WHERE segment IS NOT NULL;
CREATE TRIGGER image_added AFTER INSERT ON image WHEN new.segment IS NOT NULL BEGIN
    UPDATE segment SET alive = alive + new.size WHERE number = new.segment;
END;
CREATE TRIGGER image_deleted AFTER DELETE ON image WHEN old.segment IS NOT NULL BEGIN
    UPDATE segment SET alive = alive - old.size WHERE number = old.segment;
END;
CREATE TRIGGER image_moved AFTER UPDATE OF segment ON image WHEN old.segment IS NOT NULL BEGIN
    UPDATE segment SET alive = alive - old.size WHERE number = old.segment;
    UPDATE segment SET alive = alive + new.size WHERE number = new.segment;
END;

CREATE TABLE event_image (
    event_seq  INTEGER NOT NULL REFERENCES event (seq) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('output', 'input')),
    sha256     TEXT NOT NULL REFERENCES image (sha256),
    PRIMARY KEY (event_seq, position, role)
) WITHOUT ROWID;
CREATE INDEX event_image_by_image ON event_image (sha256);

-- What was found in the images of an event, to list events by.
CREATE TABLE event_class (
    class      TEXT NOT NULL,
    event_seq  INTEGER NOT NULL REFERENCES event (seq) ON DELETE CASCADE,
    PRIMARY KEY (class, event_seq)
) WITHOUT ROWID;
CREATE INDEX event_class_by_event ON event_class (event_seq);

CREATE TABLE upload (
    sha256       TEXT NOT NULL REFERENCES image (sha256) ON DELETE CASCADE,
    destination  TEXT NOT NULL,
    credential   TEXT NOT NULL,
    source_id    TEXT NOT NULL,
    PRIMARY KEY (sha256, destination, credential)
) WITHOUT ROWID;

-- The same thing happening again to an event is one row.
CREATE TABLE history (
    event_seq  INTEGER NOT NULL REFERENCES event (seq) ON DELETE CASCADE,
    what       TEXT NOT NULL,
    words      TEXT NOT NULL,
    first_at   REAL NOT NULL,
    last_at    REAL NOT NULL,
    times      INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (event_seq, what, words)
) WITHOUT ROWID;

CREATE TABLE circuit (
    destination  TEXT NOT NULL,
    credential   TEXT NOT NULL,
    failures     INTEGER NOT NULL,
    open_until   REAL NOT NULL,
    reason       TEXT NOT NULL,
    PRIMARY KEY (destination, credential)
) WITHOUT ROWID;

CREATE TABLE use_case (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    is_active   INTEGER NOT NULL DEFAULT 1,
    created_at  REAL NOT NULL,
    updated_at  REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE switch (
    name        TEXT PRIMARY KEY,
    is_on       INTEGER NOT NULL,
    changed_at  REAL NOT NULL
) WITHOUT ROWID;
INSERT INTO switch VALUES ('backup', 1, 0);

-- Due times and leases count from the start of the machine: of this one.
CREATE TABLE boot (
    id  TEXT NOT NULL
);
INSERT INTO boot VALUES ('');

-- Numbers that outlive the rows they count: pruned events stay counted as delivered.
CREATE TABLE tally (
    name    TEXT PRIMARY KEY,
    number  INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO tally VALUES
    ('recorded', 0), ('pending', 0), ('delivered', 0), ('rejected', 0), ('dropped', 0), ('kept', 0);

-- How many events were confirmed within so many seconds of being recorded, and not within fewer.
CREATE TABLE latency (
    seconds  REAL PRIMARY KEY,
    number   INTEGER NOT NULL,
    total    REAL NOT NULL
) WITHOUT ROWID;
