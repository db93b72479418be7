//! Sources without what functions do: all that the kernel's analysis of the code needs of other people's
//! crates. To know what type a call returns, and what can be called, it needs the heads of functions
//! only. It reads every file before the first cell, and looks into more of them at the first `let`.
//!
//! The outline of a crate is made when a kernel first meets it, and serves all kernels from then on.

use crate::disk::{files_in, remove};
use crate::layout::{self, Layout};
use crate::toolchain::Toolchain;
use anyhow::{Context, Result};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The parts of the standard library that are read. All of it is 52 MB, half of which are the
/// instructions of all processors and the library's own tests.
const PARTS_OF_STD: [&str; 4] = ["core", "alloc", "std", "proc_macro"];

/// Folders of a package that are no part of its library.
const BESIDE_THE_LIBRARY: [&str; 3] = ["benches", "examples", "tests"];

/// What stands for a body. Patterns of macros take it for a block, an expression and a list of tokens.
const ANY_BODY: &str = "{ loop {} }";

/// The outline of the package in `folder`, which is kept under that name: a name stands for one content.
/// What is begun is in `scratch`, on the same file system, and is removed by others if this is stopped.
pub fn of_package(layout: &Layout, name: &str, folder: &Path, scratch: &Path) -> Result<PathBuf> {
    made_once(&kept_in(layout)?.join(name), scratch, |place| {
        copy_sources(folder, place, |path| {
            !BESIDE_THE_LIBRARY.iter().any(|other| path.starts_with(other))
        })
    })
}

/// The outline of a toolchain's standard library; `None` where its sources are not installed.
pub fn of_library(
    layout: &Layout,
    toolchain: &Toolchain,
    scratch: &Path,
) -> Result<Option<PathBuf>> {
    let sources = toolchain.library_sources();
    if !sources.join("core").exists() {
        return Ok(None);
    }
    let name = format!("library-{}-{}", toolchain.release(), toolchain.commit());
    let made = made_once(&kept_in(layout)?.join(name), scratch, |place| {
        copy_sources(&sources, place, |path| PARTS_OF_STD.iter().any(|part| path.starts_with(part)))
    })?;
    Ok(Some(made))
}

/// The folder of the outlines as this program makes them; those of others are removed.
fn kept_in(layout: &Layout) -> Result<PathBuf> {
    /// Another one with each change of this file, since it may change what an outline is. A kernel asks
    /// for it once for each of two hundred crates.
    static RULES: LazyLock<String> =
        LazyLock::new(|| layout::fingerprint(include_bytes!("outlines.rs")));
    let all = layout.outlines();
    let ours = all.join(&*RULES);
    if !ours.exists() {
        for other in fs::read_dir(&all).into_iter().flatten() {
            let other = other?.path();
            // Another kernel may have made it meanwhile.
            if other != ours {
                remove(&other)?;
            }
        }
    }
    Ok(ours)
}

/// Fills a folder by `make` unless it is there. It is made in `scratch`, so that whoever comes in
/// between, or after an interrupt, finds all of it or nothing.
fn made_once(
    place: &Path,
    scratch: &Path,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    if !place.exists() {
        let name = place.file_name().context("an outline has a name")?;
        let begun = scratch.join("outline").join(name);
        remove(&begun)?;
        make(&begun)?;
        fs::create_dir_all(place.parent().context("it lies in a folder")?)?;
        // Another kernel may have made it meanwhile, the same.
        if let Err(error) = fs::rename(&begun, place)
            && !place.exists()
        {
            return Err(error).with_context(|| format!("{} cannot be made", place.display()));
        }
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
        let source = fs::read(file.path())
            .with_context(|| format!("{} cannot be read", file.path().display()))?;
        let source = String::from_utf8(source).map(|text| outline(&text).into_bytes());
        fs::write(&copy, source.unwrap_or_else(|other| other.into_bytes()))
            .with_context(|| format!("{} cannot be written (is the disk full?)", copy.display()))?;
    }
    Ok(())
}

/// The source with [`ANY_BODY`] for the bodies of its functions, in macros too. Bodies of `const fn` stay,
/// as lengths of arrays are computed with them. A text that is no Rust is left as it is.
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
        text += ANY_BODY;
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
            TokenTree::Group(group) if defines_macro(&trees[..at]) => {
                // What a macro is called with stands on the left sides.
                let sides: Vec<TokenTree> = group.stream().into_iter().collect();
                for sides in sides.windows(3) {
                    if let [equals, greater, TokenTree::Group(right)] = sides
                        && is_one_of(equals, "=")
                        && is_one_of(greater, ">")
                    {
                        find_bodies(right.stream(), found);
                    }
                }
            }
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

fn is_one_of(tree: &TokenTree, signs: &str) -> bool {
    matches!(tree, TokenTree::Punct(found) if signs.contains(found.as_char()))
}

/// Whether this is what stands before the rules of `macro_rules! name { … }`.
fn defines_macro(before: &[TokenTree]) -> bool {
    matches!(before, [.., first, sign, TokenTree::Ident(_)]
        if is_word(first, "macro_rules") && is_one_of(sign, "!"))
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

/// The body of the function whose name stands at `name`, and the place after it. `None` if it has no
/// body, if this is no function but a type, or where it cannot be told, as a macro puts something there.
fn body_of(trees: &[TokenTree], name: usize) -> Option<(usize, &Group)> {
    let TokenTree::Ident(_) = trees.get(name)? else { return None };
    match trees.get(name + 1)? {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {}
        sign if is_one_of(sign, "<") => {}
        _ => return None,
    }
    for at in name + 2..trees.len() {
        let (tree, before, after) = (&trees[at], &trees[at - 1], trees.get(at + 1));
        match tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                // In `Array<{ N + 1 }>` it is a number, and in `tuple! { A, B }` a macro's.
                let is_argument =
                    is_one_of(before, "<,=") && after.is_some_and(|after| is_one_of(after, ">,"));
                let is_macros =
                    is_one_of(before, "!") && matches!(trees[at - 2], TokenTree::Ident(_));
                if !is_argument && !is_macros {
                    return Some((at + 1, group));
                }
            }
            _ if is_one_of(tree, ";") || is_word(tree, "fn") => return None,
            // A `$type` follows one of these signs or an arrow; all else may be a `$body`.
            _ if is_one_of(tree, "$") => {
                let is_arrow = is_one_of(before, ">") && is_one_of(&trees[at - 2], "-");
                let is_crate = after.is_some_and(|after| is_word(after, "crate"));
                if !is_arrow && !is_crate && !is_one_of(before, "&':+<") {
                    return None;
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_go_and_heads_stay() {
        for source in [
            "fn f(x: u8) -> u8 {…}\nfn g();",
            "/// Says: {}\nimpl A { pub async fn f<T>(&self) where T: B {…} const N: u8 = { 1 }; }",
            "mod m { trait T { fn f() -> impl Fn(u8) -> u8 {…} } }",
            "cfg_rt! { fn f() {…} } fn é() {…} const A: &str = \"ü\"; fn g() {…}",
            "macro_rules! m { ($T:ty) => { fn f(self) -> $T {…} fn g(x: A) -> $crate::B {…} } }",
            "fn f() -> A<{ N }, 2> {…} fn g() -> impl B<N = { 3 }> {…} fn h() -> ! {…}",
            "fn f() -> tuple! { u8, u8 } {…} fn g() -> fn(u8) -> u8 { h }",
            // A pattern stays, and what it is called with can be matched still.
            "macro_rules! m { (fn f($a:ident) { $b:expr }) => { fn f($a: u8) {…} } } m! { fn f(x) {…} }",
        ] {
            let expected = source.replace("{…}", ANY_BODY);
            // With another function in it, which goes too.
            let given = source.replace("{…}", "{ fn g() { \"ü\" } }");
            assert_eq!(outline(&given), expected);
            assert_eq!(outline(&expected), expected);
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
            "macro_rules! m { ($b:block) => { fn f() -> Option<u8> $b mod a { struct B; } } }",
            "macro_rules! m { (fn f() { $b:expr }) => { A { b: $b } } }",
            "bind! { fn key { name = a } fn value = { b } }",
            "static F: fn() = { const N: u8 = 1; f };",
            "fn f() -> A<{ N }>; struct B { c: u8 }",
            "this is } no Rust",
        ] {
            assert_eq!(outline(source), source);
        }
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
        fs::write(package.join("src/latin.rs"), b"// \xe9").unwrap();
        let scratch = folder.path().join("kernel");
        let of = |name: &str, package: &Path| of_package(&layout, name, package, &scratch);
        let made = of("rand-1.0.0", &package).unwrap();
        assert_eq!(fs::read_to_string(made.join("src/a/mod.rs")).unwrap(), "fn f() { loop {} }");
        assert_eq!(fs::read(made.join("src/latin.rs")).unwrap(), b"// \xe9");
        assert!(!made.join("tests").exists());
        let kept = || fs::read_dir(made.parent().unwrap()).unwrap().count();
        assert_eq!(kept(), 1);
        fs::write(made.join("src/lib.rs"), "kept").unwrap();
        of("rand-1.0.0", &package).unwrap();
        assert_eq!(fs::read_to_string(made.join("src/lib.rs")).unwrap(), "kept");
        assert!(of("none-1.0.0", &folder.path().join("none")).is_err());
        assert_eq!(kept(), 1);
    }

    #[test]
    fn outlines_that_another_program_made_are_removed_when_the_first_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { root: folder.path().join("workbook") };
        let other = layout.outlines().join("of another program/rand-1.0.0");
        fs::create_dir_all(&other).unwrap();
        let package = folder.path().join("rand");
        fs::create_dir_all(&package).unwrap();
        let of = |name| of_package(&layout, name, &package, &folder.path().join("kernel")).unwrap();
        let made = of("rand-1.0.0");
        assert!(made.exists() && made != other && !other.exists());
        of("ring-1.0.0");
        assert!(made.exists());
        assert_eq!(fs::read_dir(layout.outlines()).unwrap().count(), 1);
    }
}
