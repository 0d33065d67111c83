print("modelconv")
