// Signs in with the code behind the # of a sign-in link, or with name and password.

const form = document.getElementById("form");
const message = document.getElementById("message");

async function signIn(proof) {
  message.textContent = "Signing in…";
  try {
    const answer = await fetch("api/login?cookie=true", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(proof),
    });
    if (answer.ok) {
      location.replace("./");
      return;
    }
    const problem = await answer.json();
    message.textContent = problem.hint ? `${problem.detail}. Hint: ${problem.hint}.` : `${problem.detail}.`;
  } catch {
    message.textContent = "The hub does not answer. Try again.";
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = new FormData(form);
  signIn({ name: fields.get("name"), password: fields.get("password") });
});

const code = new URLSearchParams(location.hash.slice(1)).get("code");
if (code) {
  // The code is good once; it does not stay in the address bar or in the history.
  history.replaceState(null, "", location.pathname + location.search);
  signIn({ code });
} else {
  document.getElementById("name").focus();
}
