// The session of this browser: its tokens are in cookies that no script can read.

// Gets new cookies for old ones. Resolves to false where the session is over.
export async function renew() {
  const answer = await fetch("api/refresh", { method: "POST" });
  if (answer.ok) return true;
  if (answer.status === 401 || answer.status === 422) return false;
  throw new Error(`the hub answered ${answer.status}`);
}

export function toSignIn() {
  location.replace("sign-in");
}

// Fetches with the session, renewed once if it has to be.
export async function load(path) {
  let answer = await fetch(path, { cache: "no-store" });
  if (answer.status === 401) {
    if (!(await renew())) {
      toSignIn();
      return null;
    }
    answer = await fetch(path, { cache: "no-store" });
  }
  if (!answer.ok) throw new Error(`the hub answered ${answer.status}`);
  return answer;
}
