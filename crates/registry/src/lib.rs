//! Images: an OCI image layout on disk, and the packer.
