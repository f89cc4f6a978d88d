-- What ended, in the order in which it did: figures over the past are counted on from where they were.
CREATE INDEX runs_by_finished ON runs (finished) WHERE finished IS NOT NULL;
CREATE INDEX runs_by_outcome ON runs (outcome_kind, queued);
-- Reports of tests, in the order in which they came.
CREATE INDEX steps_of_reports ON steps (first) WHERE name = 'reports';
