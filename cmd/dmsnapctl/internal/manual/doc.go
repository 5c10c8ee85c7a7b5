// Package manual writes pages for man(1) from the parts of a help text.
//
// It knows mdoc, the language of manual pages, and the form of our help texts:
// paragraphs, headings in capitals, and verbatim lines. It must not know any
// command.
//
// Files, from the top: page.go (a page), text.go (a help text as mdoc),
// escape.go (what mdoc would misread).
//
// From the top down: page, text, escape.
package manual
