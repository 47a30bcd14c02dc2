"""The tables of people, in SQLite. The caller creates them where it keeps what it knows of profiles."""

#: `profile.traits` is the JSON object of the traits that a profile has, `trait_times` that of the moment in ms at which each
#: was set or removed. No text in them has U+0000, where SQLite's JSON ends a text. `segment_id` is the name of a profile for
#: others and stays its own for ever; `merged` says to which profile that of a merged one leads. Ids are never given twice,
#: so that a row elsewhere which names an erased or merged profile can mean no other. `identifier.since` is in ms.
TABLES = """
CREATE TABLE IF NOT EXISTS profile (
    id INTEGER PRIMARY KEY AUTOINCREMENT, segment_id TEXT NOT NULL UNIQUE, traits TEXT NOT NULL, trait_times TEXT NOT NULL,
    created_at INTEGER NOT NULL, merges INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS merged (segment_id TEXT PRIMARY KEY, profile INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS merged_by_profile ON merged (profile);
CREATE TABLE IF NOT EXISTS identifier (
    type TEXT NOT NULL, value TEXT NOT NULL, profile INTEGER NOT NULL, since INTEGER NOT NULL, source INTEGER NOT NULL,
    PRIMARY KEY (type, value)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS identifier_by_profile ON identifier (profile);
"""
