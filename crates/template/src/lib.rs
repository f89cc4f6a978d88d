//! OpenShift templates to Kubernetes objects.
