// The access token is over, the session may not be: renews it and shows what was asked for.

import { renew, toSignIn } from "./session.js";

try {
  if (await renew()) location.reload();
  else toSignIn();
} catch {
  toSignIn();
}
