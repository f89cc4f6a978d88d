//! Forges that people look at changes on: one way of working for all of them, over what each one's API does.

pub(crate) mod api;
