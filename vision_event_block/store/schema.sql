-- Version 1. A later version adds a file of statements to run after this one; none of these changes.

CREATE TABLE event (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    destination  TEXT NOT NULL,
    credential   TEXT NOT NULL,
    state        TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'rejected')),
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

CREATE TABLE image (
    sha256        TEXT PRIMARY KEY,
    content_type  TEXT NOT NULL,
    width         INTEGER NOT NULL,
    height        INTEGER NOT NULL,
    data          BLOB NOT NULL
);

CREATE TABLE event_image (
    event_seq  INTEGER NOT NULL REFERENCES event (seq) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('output', 'input')),
    sha256     TEXT NOT NULL REFERENCES image (sha256),
    PRIMARY KEY (event_seq, position, role)
) WITHOUT ROWID;
CREATE INDEX event_image_by_image ON event_image (sha256);

CREATE TABLE upload (
    sha256       TEXT NOT NULL REFERENCES image (sha256) ON DELETE CASCADE,
    destination  TEXT NOT NULL,
    credential   TEXT NOT NULL,
    source_id    TEXT NOT NULL,
    PRIMARY KEY (sha256, destination, credential)
) WITHOUT ROWID;

CREATE TABLE circuit (
    destination  TEXT NOT NULL,
    credential   TEXT NOT NULL,
    failures     INTEGER NOT NULL,
    open_until   REAL NOT NULL,
    reason       TEXT NOT NULL,
    PRIMARY KEY (destination, credential)
) WITHOUT ROWID;

-- Numbers that outlive the rows they count: pruned events stay counted as delivered.
CREATE TABLE tally (
    name    TEXT PRIMARY KEY,
    number  INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO tally VALUES ('recorded', 0), ('pending', 0), ('delivered', 0), ('rejected', 0), ('dropped', 0);
