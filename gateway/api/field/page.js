// Keeps the page as of now. In the syntax of 1999 (ECMAScript 3), so that any phone runs it; nothing but XMLHttpRequest.
(function () {
  "use strict";
  var EVERY = 2000, PATIENCE = 6000, LOST = 8000;
  var root = document.documentElement, body = document.body;
  var mine = root.lang === "en" ? "en" : "zh", other = mine === "en" ? "zh" : "en";
  var heard = new Date().getTime(), shown = "", asking = null, asked = 0;

  function put(id, text) {
    var place = document.getElementById(id);
    if (place && place.textContent !== text) place.textContent = text;
  }

  function wear(word) {
    if (body.className !== word) body.className = word;
  }

  function add(parent, tag, text) {
    var made = document.createElement(tag);
    made.appendChild(document.createTextNode(text));
    parent.appendChild(made);
    return made;
  }

  function bars(count) {
    var text = "", at;
    if (count === null) return text;
    for (at = 0; at < 5; at += 1) text += at < count ? "\u25ae" : "\u25af";
    return text;
  }

  function empty(id) {
    var place = document.getElementById(id);
    while (place.firstChild) place.removeChild(place.firstChild);
    return place;
  }

  function show(told) {
    var place, row, at, link;
    wear(told.word);
    put("word", told.words[mine]);
    put("other", told.words[other]);
    put("cause", told.cause[mine]);
    put("cure", told.cure[mine]);
    if (told.level === null) put("level", told.battery ? body.getAttribute("data-battery") : "");
    else put("level", (told.battery ? "\u25bc " : "\u25b2 ") + told.level + " %");
    place = empty("more");
    for (at = 0; at < told.more.length; at += 1) add(place, "li", told.more[at][mine]);
    place = empty("links");
    for (at = 0; at < told.links.length; at += 1) {
      link = told.links[at];
      row = add(place, "li", "");
      row.className = link.carries ? "carries" : "out";
      add(row, "b", link.carries ? "\u2714" : "\u2716");
      add(row, "span", link.name[mine]);
      add(row, "i", bars(link.bars));
      add(row, "em", link.phase[mine]);
    }
    document.title = told.words[mine] + " \u00b7 " + document.getElementById("kit").textContent;
  }

  function lost() {
    shown = "";
    wear("lost");
    put("word", body.getAttribute("data-lost"));
    put("other", body.getAttribute("data-lost-other"));
    put("cause", body.getAttribute("data-cure"));
    put("cure", "");
    empty("more");
    empty("links");
  }

  function answered(request) {
    var told;
    if (request.status === 403 || request.status === 404) {
      location.reload(); // it is the kit that answers, and not for us here: its page says why
      return;
    }
    if (request.status !== 200) return;
    try {
      told = JSON.parse(request.responseText);
      if (request.responseText !== shown) show(told);
      shown = request.responseText;
      heard = new Date().getTime();
    } catch (wrong) {
      return; // cut off on its way: the next one
    }
  }

  function ask() {
    var now = new Date().getTime(), request;
    if (now < asked || now - asked > PATIENCE) {
      if (asking) asking.abort();
      asking = null;
    }
    if (now < heard) heard = now; // the phone's clock was set back
    if (now - heard > LOST) lost();
    if (asking) return;
    request = asking = new XMLHttpRequest();
    asked = now;
    request.onreadystatechange = function () {
      if (request.readyState !== 4) return;
      if (asking === request) asking = null;
      answered(request);
    };
    request.open("GET", "/field/state", true);
    request.send();
  }

  setInterval(ask, EVERY);
  // A phone that was in a pocket shows what is now, not what was.
  if (document.addEventListener) document.addEventListener("visibilitychange", function () { if (!document.hidden) ask(); }, false);
  ask();
})();
