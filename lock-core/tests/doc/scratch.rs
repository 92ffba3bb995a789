// An expression: a new directory to work in, which is removed with this value. For examples, each
// of which is a process of its own.
{
    struct Scratch(std::path::PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    let path = std::env::temp_dir().join(format!("lock-core-example-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir(&path).unwrap();
    std::env::set_current_dir(&path).unwrap();
    Scratch(path)
}
