// Package manual writes pages for man(1) out of what a help text is made of.
//
// It knows mdoc, the language of manual pages, and the shape of our help
// texts: paragraphs, headings in capitals, and lines that stay as they are. It
// must not know any command.
//
// Files, from the top: page.go (a page), text.go (a help text as mdoc),
// escape.go (what mdoc would misread).
//
// From the top down: page, text, escape.
package manual
