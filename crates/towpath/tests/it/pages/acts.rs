//! Every button, pressed by a person who looks at nothing else, on the demo's story as it goes on.
