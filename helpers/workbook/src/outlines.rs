//! Sources without what functions do: all that the kernel's analysis of the code needs of other people's
//! crates. To know what type a call returns, and what can be called, it needs the heads of functions
//! only. It reads every source before the first cell, and more of them at the first `let`.
//!
//! The outline of a crate is made when a kernel first meets it, and serves all kernels from then on.

use crate::disk::{files_in, remove};
use crate::layout::Layout;
use crate::toolchain::Toolchain;
use anyhow::{Context, Result};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The parts of the standard library that are read. All of it is 52 MB, half of which are the
/// instructions of all processors and the library's own tests.
const LIBRARY: [&str; 4] = ["core", "alloc", "std", "proc_macro"];

/// What lies in the folder of a package beside its library.
const NO_LIBRARY: [&str; 3] = ["benches", "examples", "tests"];

/// The outline of the package in `folder`, which is kept under that name. A name stands for one content:
/// those of a registry have a version, which is never published twice.
pub fn of_package(layout: &Layout, name: &str, folder: &Path) -> Result<PathBuf> {
    made_once(&layout.outlines().join(name), |place| {
        copy_sources(folder, place, |path| !NO_LIBRARY.iter().any(|other| path.starts_with(other)))
    })
}

/// The outline of a toolchain's standard library; `None` where its sources are not installed.
pub fn of_library(layout: &Layout, toolchain: &Toolchain) -> Result<Option<PathBuf>> {
    let sources = toolchain.library_sources();
    if !sources.join("core").exists() {
        return Ok(None);
    }
    let name = format!("library {} {}", toolchain.release(), toolchain.commit());
    let place = layout.outlines().join(name.replace(' ', "-"));
    let made = made_once(&place, |place| {
        copy_sources(&sources, place, |path| LIBRARY.iter().any(|part| path.starts_with(part)))
    })?;
    Ok(Some(made))
}

/// Fills a folder by `make` unless it is there. It is made beside its place, so that whoever comes in
/// between, or after an interrupt, finds all of it or nothing.
fn made_once(place: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    if !place.exists() {
        let aside = place.with_added_extension(format!("new-{}", std::process::id()));
        if let Err(error) = make(&aside) {
            remove(&aside)?;
            return Err(error);
        }
        // Another kernel may have made it meanwhile, the same.
        if fs::rename(&aside, place).is_err() {
            remove(&aside)?;
        }
        anyhow::ensure!(place.exists(), "{} cannot be made", place.display());
    }
    Ok(place.to_owned())
}

/// Copies the outlines of all sources in a folder whose paths within it are wanted.
fn copy_sources(from: &Path, to: &Path, wanted: impl Fn(&Path) -> bool) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("{} cannot be made", to.display()))?;
    for file in files_in(from) {
        let file = file?;
        let within = file.path().strip_prefix(from)?;
        let is_source = within.extension().is_some_and(|kind| kind == "rs");
        if !wanted(within) || !is_source {
            continue;
        }
        let copy = to.join(within);
        fs::create_dir_all(copy.parent().context("a file lies in a folder")?)?;
        let text = fs::read_to_string(file.path())
            .with_context(|| format!("{} cannot be read", file.path().display()))?;
        fs::write(&copy, outline(&text))
            .with_context(|| format!("{} cannot be written (is the disk full?)", copy.display()))?;
    }
    Ok(())
}

/// The source with `{}` for the bodies of its functions, in macros too. Bodies of `const fn` stay, as
/// lengths of arrays are computed with them. A text that is no Rust is left as it is.
fn outline(source: &str) -> String {
    let mut bodies = Vec::new();
    if let Ok(stream) = source.parse::<TokenStream>() {
        find_bodies(stream, &mut bodies);
    }
    // Else all positions that this thread has met are kept.
    proc_macro2::extra::invalidate_current_thread_spans();
    let (mut text, mut end) = (String::with_capacity(source.len()), 0);
    for body in bodies {
        text += &source[end..body.start];
        text += "{}";
        end = body.end;
    }
    text + &source[end..]
}

/// Adds where the bodies of functions are, in the order of the text.
fn find_bodies(stream: TokenStream, found: &mut Vec<Range<usize>>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut next = 0;
    while next < trees.len() {
        let at = next;
        next += 1;
        match &trees[at] {
            TokenTree::Group(group) => find_bodies(group.stream(), found),
            tree if is_word(tree, "fn") && !is_const(&trees[..at]) => {
                if let Some((after, body)) = body_of(&trees, next) {
                    found.push(body.span().byte_range());
                    next = after;
                }
            }
            _ => {}
        }
    }
}

fn is_word(tree: &TokenTree, word: &str) -> bool {
    matches!(tree, TokenTree::Ident(found) if found == word)
}

fn is_sign(tree: &TokenTree, signs: &str) -> bool {
    matches!(tree, TokenTree::Punct(found) if signs.contains(found.as_char()))
}

/// Whether `const` is among the words before `fn`.
fn is_const(before: &[TokenTree]) -> bool {
    let words = before.iter().rev().take_while(|tree| {
        let others = ["async", "const", "extern", "safe", "unsafe"];
        // The ABI of `extern "C"` is the literal.
        matches!(tree, TokenTree::Literal(_)) || others.iter().any(|word| is_word(tree, word))
    });
    words.into_iter().any(|word| is_word(word, "const"))
}

/// The body of the function whose name stands at `name`, and what comes after it. `None` if it has no
/// body, if this is the type of a function, or if a macro puts the body there.
fn body_of(trees: &[TokenTree], name: usize) -> Option<(usize, &Group)> {
    let is_name = matches!(trees.get(name), Some(TokenTree::Ident(_)));
    for at in name + usize::from(is_name)..trees.len() {
        let (tree, before, after) = (&trees[at], &trees[at - 1], trees.get(at + 1));
        match tree {
            // In `Array<{ N + 1 }>` it is a number.
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let is_argument =
                    is_sign(before, "<,") && after.is_some_and(|after| is_sign(after, ">,"));
                if !is_argument {
                    return is_name.then_some((at + 1, group));
                }
            }
            _ if is_sign(tree, ";") || is_word(tree, "fn") => return None,
            // A `$body` follows the arguments or a type; a `$type` follows a sign.
            _ if is_sign(tree, "$") && !matches!(before, TokenTree::Punct(_)) => return None,
            _ => {}
        }
        if !is_name {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_go_and_heads_stay() {
        for (source, expected) in [
            ("fn f(x: u8) -> u8 { x + 1 }\nfn g();", "fn f(x: u8) -> u8 {}\nfn g();"),
            (
                "/// Says: {}\nimpl A { pub async fn f<T>(&self) where T: B { loop {} } const N: u8 = { 1 }; }",
                "/// Says: {}\nimpl A { pub async fn f<T>(&self) where T: B {} const N: u8 = { 1 }; }",
            ),
            (
                "mod m { trait T { fn f() -> impl Fn(u8) -> u8 { |x| x } } }",
                "mod m { trait T { fn f() -> impl Fn(u8) -> u8 {} } }",
            ),
            ("cfg_rt! { fn f() { 1 } } fn é() { \"ü\" }", "cfg_rt! { fn f() {} } fn é() {}"),
            // A nested function goes with the outer one, and what follows is found.
            ("fn f() { fn g() { 1 } } fn h() { 2 }", "fn f() {} fn h() {}"),
            (
                "macro_rules! m { ($T:ty) => { fn f(self) -> $T { 0 } } }",
                "macro_rules! m { ($T:ty) => { fn f(self) -> $T {} } }",
            ),
        ] {
            assert_eq!(outline(source), expected);
            assert_eq!(outline(expected), expected);
        }
    }

    #[test]
    fn what_is_no_body_stays() {
        for source in [
            "pub const unsafe fn f() -> usize { 8 }",
            "const extern \"C\" fn f() -> usize { 8 }",
            "struct S { f: fn(u8) -> u8, g: *const fn() } const C: S = S { f, g };",
            "trait T { fn f(&self) -> [u8; { 2 }]; type A; }",
            "macro_rules! m { ($b:block) => { fn f() $b impl A { const N: u8 = 1; } } }",
            "macro_rules! m { ($T:ty, $b:block) => { fn f() -> $T $b mod a { struct B; } } }",
            "static F: fn() = { const N: u8 = 1; f };",
            "fn f() -> A<{ N }>; struct B { c: u8 }",
            "this is } no Rust",
        ] {
            assert_eq!(outline(source), source);
        }
        assert_eq!(outline("fn f() -> A<{ N }, 2> { g() }"), "fn f() -> A<{ N }, 2> {}");
    }

    #[test]
    fn an_outline_is_made_once_and_has_the_library_only() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { root: folder.path().join("workbook") };
        let package = folder.path().join("rand");
        for file in ["src/lib.rs", "src/a/mod.rs", "tests/it.rs", "Cargo.toml"] {
            let file = package.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "fn f() { 1 }").unwrap();
        }
        let made = of_package(&layout, "rand-1.0.0", &package).unwrap();
        assert_eq!(fs::read_to_string(made.join("src/a/mod.rs")).unwrap(), "fn f() {}");
        assert!(!made.join("tests").exists());
        assert_eq!(fs::read_dir(layout.outlines()).unwrap().count(), 1);
        fs::write(made.join("src/lib.rs"), "kept").unwrap();
        of_package(&layout, "rand-1.0.0", &package).unwrap();
        assert_eq!(fs::read_to_string(made.join("src/lib.rs")).unwrap(), "kept");
        assert!(of_package(&layout, "none-1.0.0", &folder.path().join("none")).is_err());
        assert_eq!(fs::read_dir(layout.outlines()).unwrap().count(), 1);
    }
}
